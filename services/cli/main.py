"""Run Mosaicast on one machine, and talk to a running one.

Exit status: 0 done, 1 failed (one plain sentence on standard error), 2 wrong usage, or a question that nobody was there
to answer.
"""

import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any

import typer

from services.cli import doctor, models, people
from services.cli.calibrate import calibrate
from services.cli.consents import consents
from services.cli.failures import is_failure
from services.cli.logs import logs
from services.cli.policy import policy
from services.cli.printing import complain
from services.cli.status import status
from services.cli.streams import streams
from services.cli.token import token
from services.cli.up import up

NAME = "mosaicast"

# What a command needs beside typer it imports itself: `--help`, completion and mistyped commands wait for none of it.
app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
app.command()(up)
app.command()(status)
app.command()(logs)
app.add_typer(streams, name="streams")
app.add_typer(policy, name="policy")
app.command()(people.enroll)
app.add_typer(people.people, name="people")
app.add_typer(consents, name="consents")
app.command()(people.reindex)
app.add_typer(models.app, name="models")
app.command()(calibrate)
app.command()(doctor.doctor)
app.add_typer(token, name="token")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{NAME} {version(NAME)}")
        raise typer.Exit


@app.callback()
def _all(
    _: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options of the whole program."""


def main() -> None:
    """Run the command line; a failure is one sentence and exit status 1."""
    from mosaicast.runtime.logs import configure

    configure("cli", level="WARNING")
    # By name, however it was started: completion is asked for in a variable of the program's name.
    _guard(lambda: app(prog_name=NAME))


def _guard(run: Callable[[], Any]) -> None:
    try:
        run()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as exc:
        if not is_failure(exc):
            raise
        complain(exc)
        sys.exit(1)


if __name__ == "__main__":
    main()
