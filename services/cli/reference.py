"""The reference of the command line, written from its code: `python -m tools.reference` writes it into docs/."""

import typer
from typer.cli import get_docs_for_click

from services.cli.main import NAME, app

COMMAND = "python -m tools.reference"
_HEAD = f"""# Command line

Written by `{COMMAND}`.

**Exit status.** 0: done. 1: it failed; one sentence on standard error says why. 2: wrong usage, or a question that
nobody was there to answer (`--yes` answers it). 130: Ctrl-C.

**Completion.** `{NAME} --install-completion` adds it to the shell that you use (bash, zsh, fish, PowerShell). It counts
from the next shell on. `--show-completion` prints the script instead.

**For programs.** `--json` prints JSON on standard output, and nothing else; sentences go to standard error.
`MOSAICAST_TOKEN` and `MOSAICAST_API_URL` save two options.

"""


def page() -> str:
    """Return what the page should hold."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command, info_name=NAME), name=NAME, indent=1)
    return _HEAD + "\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n"
