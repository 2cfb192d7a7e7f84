"""Options and printing that the commands share."""

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

ApiUrl = Annotated[str, typer.Option(envvar="MOSAICAST_API_URL", help="Address of the api.")]
Token = Annotated[str, typer.Option(envvar="MOSAICAST_TOKEN", help="Administrator token.", show_envvar=True)]
Owner = Annotated[str, typer.Option(help="Whose stream or person it is.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_URL = "http://127.0.0.1:8000"

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def print_table(*columns: str, rows: list[list[str]]) -> None:
    """Print rows below each other; names of files and people are text, never markup."""
    table = Table(*columns, box=None, show_header=any(columns), pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    out.print(table, soft_wrap=True)
