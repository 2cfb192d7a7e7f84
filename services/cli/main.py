"""`mosaicast`: run the product on one machine, and talk to a running one.

Exit status: 0 done, 1 failed (one plain sentence on standard error), 2 wrong usage.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from services.cli import doctor, models, people
from services.cli.calibrate import calibrate
from services.cli.failures import is_failure
from services.cli.printing import complain
from services.cli.streams import streams
from services.cli.up import up

# What a command needs beside typer it imports itself: `--help`, completion and mistyped commands wait for none of it.
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.command()(up)
app.command()(people.enroll)
app.add_typer(streams, name="streams")
app.add_typer(people.people, name="people")
app.command()(people.reindex)
app.command()(calibrate)
app.command()(doctor.doctor)
app.add_typer(models.app, name="models")


def main() -> None:
    """Run the command line; a failure is one sentence and exit status 1."""
    from mosaicast.runtime import logs

    logs.configure("cli", level="WARNING")
    _guard(app)


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
