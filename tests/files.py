"""What lies in a folder that somebody else writes to and deletes from meanwhile."""

import os
from pathlib import Path


def files_under(root: Path, suffix: str = "") -> list[Path]:
    """Return the files below a folder whose names end in `suffix`; what goes during the look is left out.

    `Path.rglob` raises instead, when a folder goes between being named and being opened.
    """
    return [Path(folder, name) for folder, _, names in os.walk(root) for name in names if name.endswith(suffix)]
