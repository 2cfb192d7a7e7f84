"""Options, printing and questions that the commands share."""

import json
import sys
from collections.abc import Callable
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

ApiUrl = Annotated[str, typer.Option(envvar="MOSAICAST_API_URL", help="Address of the api.")]
Token = Annotated[str, typer.Option(envvar="MOSAICAST_TOKEN", help="Administrator token.", show_envvar=True)]
Owner = Annotated[str, typer.Option(help="Whose stream or person it is.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DEFAULT_URL = "http://127.0.0.1:8000"

_PIPE_COLUMNS = 240
"""In a pipe or a file no name is cut for a screen that is not there."""


def _console(stream: TextIO, *, stderr: bool = False) -> Console:
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else _PIPE_COLUMNS)


out = _console(sys.stdout)
err = _console(sys.stderr, stderr=True)


def print_json(value: Any) -> None:
    """Print a value as JSON, at once: who reads it from a pipe waits for it while the command goes on."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
    sys.stdout.flush()


def print_table(*columns: str, rows: list[list[str]]) -> None:
    """Print rows below each other; names of files and people are text, never markup."""
    out.print(table(*columns, rows=rows), soft_wrap=True)


def print_lines(*lines: str | tuple[str, str]) -> None:
    """Print headings, and below them names with what can be copied whole: no line is broken or cut for the screen."""
    names = [line[0] for line in lines if isinstance(line, tuple)]
    width = max(map(len, names), default=0)
    for line in lines:
        text = line if isinstance(line, str) else f"  {line[0]:<{width}}  {line[1]}"
        out.print(text, soft_wrap=True, markup=False)


def table(*columns: str, rows: list[list[str]]) -> Table:
    """Return rows below each other; names of files and people are text, never markup."""
    drawn = Table(*columns, box=None, show_header=any(columns), pad_edge=False)
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    return drawn


def complain(what: object) -> None:
    """Tell a sentence on standard error."""
    err.print(f"mosaicast: {what}", soft_wrap=True, markup=False)


def is_terminal() -> bool:
    """Return whether somebody is there who could answer a question."""
    return sys.stdin.isatty()


def refuse_unasked(yes: bool, so_far: str) -> None:
    """End with exit status 2 if a question would have to be asked, and nobody could answer it."""
    if not yes and not is_terminal():
        complain(f"{so_far}: nobody is there to be asked; say --yes to do it unasked")
        raise typer.Exit(2)


def asking(yes: bool) -> Callable[[str], None]:
    """Return what asks a question before something is lost for good, and returns only if the answer is yes.

    Without a terminal nobody can answer: nothing is done, exit status 2.

    Args:
        yes: `--yes` was given: nothing is asked.
    """

    def ask(question: str) -> None:
        if yes:
            return
        refuse_unasked(yes, f"nothing is done ({question})")
        if not typer.confirm(question, err=True):
            raise typer.Abort

    return ask
