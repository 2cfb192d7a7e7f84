"""Where things lie when nobody says: by the system's conventions, never by the folder in which a command is started."""

from pathlib import Path
from typing import Literal

from platformdirs import PlatformDirs

_OURS = PlatformDirs("mosaicast", appauthor=False)
_EARLIER = Path("var")
"""Below the working folder: where earlier versions kept everything."""


def data_dir() -> Path:
    """Return where database, photos, gallery, logs and HLS lie (Linux: ~/.local/share/mosaicast/data)."""
    return _OURS.user_data_path / "data"


def models_dir() -> Path:
    """Return where downloaded models and the operator's own lie (Linux: ~/.local/share/mosaicast/models)."""
    return _OURS.user_data_path / "models"


def left_behind(kind: Literal["data", "models"], used: Path) -> str | None:
    """Return a sentence about `./var` of an earlier version, if it holds something and nobody chose a folder.

    It is said as long as something lies there: they may be photos and templates of people who believe them erased.

    Args:
        used: the folder that is used now.

    Returns:
        None: there is nothing to say.
    """
    own, earlier = (data_dir() if kind == "data" else models_dir()), _EARLIER / kind
    if used != own or not _holds(earlier, kind):
        return None
    return (
        f"{earlier.resolve()} holds the {kind} of an earlier version, and is not used; to go on with it say "
        f"--{kind}-dir {earlier}, or set MOSAICAST_{kind.upper()}_DIR; if it is not wanted any more delete it; "
        f"{kind} now go to {own}"
    )


def would_begin_anew(used: Path) -> bool:
    """Return whether a data folder is empty: who starts on it knows no stream, no person and no prohibition."""
    return not _holds(used, "data")


def _holds(folder: Path, kind: Literal["data", "models"]) -> bool:
    if kind == "data":
        return (folder / "mosaicast.db").exists() or (folder / "vault").exists()
    return folder.is_dir() and any(folder.iterdir())
