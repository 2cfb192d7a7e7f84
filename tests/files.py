"""What lies in a folder that somebody else writes to and deletes from meanwhile."""

import os
import stat
from contextlib import suppress
from pathlib import Path


def files_under(root: Path, suffix: str = "") -> list[Path]:
    """Return the files below a folder whose names end in `suffix`; what goes during the look is left out.

    `Path.rglob` raises instead, when a folder goes between being named and being opened.
    """
    return [Path(folder, name) for folder, _, names in os.walk(root) for name in names if name.endswith(suffix)]


def rights_under(root: Path) -> dict[Path, int]:
    """Return the rights of a folder and of all below it; what goes during the look is left out."""
    found = {}
    for folder, folders, files in os.walk(root):
        for path in (Path(folder), *(Path(folder, name) for name in (*folders, *files))):
            with suppress(FileNotFoundError):
                found[path] = stat.S_IMODE(path.stat().st_mode)
    return found
