"""CONTRIBUTING.md names files and folders that are there, and every room."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
TOPS = (
    "mosaicast", "services", "synthetic", "bench", "tools", "tests", "docs", "scripts", "requirements", "hooks",
    "deploy",
)  # fmt: skip
PATHS = re.compile(rf"(?:{'|'.join(TOPS)})/[\w./-]+")


def test_what_it_names_is_there() -> None:
    named = {path.rstrip(".") for path in PATHS.findall(TEXT) if "NAME" not in path}
    assert len(named) > 50
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_room_has_its_line() -> None:
    inits = [path for top in ("mosaicast", "services") for path in (ROOT / top).rglob("__init__.py")]
    rooms = {f"{path.parent.relative_to(ROOT)}/" for path in inits} - {"mosaicast/", "services/"}
    apart = {"services/cli/calibration/"}  # what one command is made of
    assert [room for room in sorted(rooms - apart) if f"| `{room}` |" not in TEXT] == []
