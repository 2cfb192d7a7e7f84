"""Options and printing that the commands share."""

import json
import sys
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

ApiUrl = Annotated[str, typer.Option(envvar="MOSAICAST_API_URL", help="Address of the api.")]
Token = Annotated[str, typer.Option(envvar="MOSAICAST_TOKEN", help="Administrator token.", show_envvar=True)]
Owner = Annotated[str, typer.Option(help="Whose stream or person it is.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_URL = "http://127.0.0.1:8000"

_PIPE_COLUMNS = 240
"""In a pipe or a file no name is cut for a screen that is not there."""


def _console(stream: TextIO, *, stderr: bool = False) -> Console:
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else _PIPE_COLUMNS)


out = _console(sys.stdout)
err = _console(sys.stderr, stderr=True)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def print_table(*columns: str, rows: list[list[str]]) -> None:
    """Print rows below each other; names of files and people are text, never markup."""
    table = Table(*columns, box=None, show_header=any(columns), pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    out.print(table, soft_wrap=True)
