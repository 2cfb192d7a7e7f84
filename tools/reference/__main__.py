"""Write docs/reference/ and docs/openapi.json anew from the code.

usage: python -m tools.reference [--check]    (--check: write nothing, exit status 1 if a page is old)
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from services.api.http import reference as api
from services.cli import reference as cli
from tools.reference import logs, metrics, settings, states, topics

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "python -m tools.reference"

PAGES: Mapping[str, Callable[[], str]] = {
    "docs/reference/settings.md": settings.page,
    "docs/reference/metrics.md": metrics.page,
    "docs/reference/logs.md": logs.page,
    "docs/reference/states.md": states.page,
    "docs/reference/topics.yaml": topics.page,
    "docs/reference/cli.md": cli.page,
    "docs/reference/problems.md": api.problems,
    "docs/openapi.json": api.openapi,
}
"""Path from the project's root, and what makes its text."""


def stale(root: Path = ROOT) -> list[str]:
    """Return the pages that are not what the code says."""
    return [name for name, make in PAGES.items() if not (root / name).exists() or (root / name).read_text() != make()]


def write(root: Path = ROOT) -> None:
    """Write every page."""
    for name, make in PAGES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(make())


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, tell what is old")
    if not parser.parse_args(arguments).check:
        write()
        return 0
    old = stale()
    for name in old:
        print(f"{name} is old: run `{COMMAND}`", file=sys.stderr)
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main())
