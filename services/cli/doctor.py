"""`mosaicast doctor`: is all well with what is kept?"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.folders import DataDir, settings_for
from services.cli.printing import AsJson, Yes, asking, print_json, print_table

if TYPE_CHECKING:
    from services.cli.checkup import Finding


def doctor(
    data_dir: DataDir = None,
    erase_orphans: Annotated[
        bool, typer.Option("--erase-orphans", help="Erase photos and templates of whom the database does not know.")
    ] = False,
    bind_vault: Annotated[
        bool, typer.Option("--bind-vault", help="Take this vault for this database's, whatever they say.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Look whether database, photos and templates fit together. Exit status 1 if something must be mended."""
    # A second of imports, which `--help` does without.
    from mosaicast.runtime import rights
    from services.cli import checkup

    rights.make_private()
    stores = checkup.opened(settings_for(data_dir))
    if bind_vault:
        checkup.bind_vault(stores, asking(yes))
    if erase_orphans:
        checkup.erase_orphans(stores, asking(yes))
    findings = list(checkup.examined(stores))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_table("", "check", "", rows=[["ok" if f.good else "!!", f.check, _line(f)] for f in findings])
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)


def _line(finding: "Finding") -> str:
    if not finding.ids:
        return finding.detail
    more = f" and {len(finding.ids) - 10} more (--json shows all)" if len(finding.ids) > 10 else ""
    return f"{finding.detail}: {', '.join(finding.ids[:10])}{more}"
