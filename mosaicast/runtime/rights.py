"""Who may read what we keep: its owner alone."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

PRIVATE_UMASK = 0o077
OURS = ("mosaicast.db*", "vault", "gallery", "qdrant", "secrets", "logs", "edge", "hls", "kafka", "edge.token")
"""What lies below the data folder (`qdrant`: of earlier versions). The rest is somebody else's, and left as it is."""
_OTHERS = 0o077


def make_private() -> None:
    """From now on what this process and its children make is for its own user only. Call first in a process."""
    os.umask(PRIVATE_UMASK)


def mend(data_dir: Path) -> list[str]:
    """Make the data folder if need be, and take all rights of others from it and from what is ours in it.

    Returns:
        A sentence for each thing that was looser, or that can't be mended; empty when all was well.
    """
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    loose = list(looser(data_dir))
    if not loose:
        return []
    failed = [path for path in loose if not _mended(path)]
    said = [f"{len(loose) - len(failed)} of ours in {data_dir} could be read by others; they can't any more"]
    if len(loose) == len(failed):
        said = []
    return said + [f"{path} can be read by others, and that can't be changed: it is not ours" for path in failed[:5]]


def looser(data_dir: Path) -> Iterator[Path]:
    """Yield the data folder and what is ours in it where others have any right. Follows no link."""
    places = (data_dir, *(path for pattern in OURS for path in sorted(data_dir.glob(pattern))))
    for place in places:
        for path in (place, *(_below(place) if place != data_dir else ())):
            if _is_loose(path):
                yield path


def _below(place: Path) -> Iterator[Path]:
    """Yield what is in a folder that others may write to and delete from meanwhile (`Path.rglob` raises then)."""
    if not place.is_symlink():
        for folder, folders, files in os.walk(place):
            yield from (Path(folder, name) for name in (*folders, *files))


def _is_loose(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except OSError:  # gone meanwhile, or in a folder that others keep from us
        return False
    return not stat.S_ISLNK(mode) and bool(mode & _OTHERS)


def _mended(path: Path) -> bool:
    """Take the rights of others away; False: it is not ours to do so."""
    try:
        mode = path.lstat().st_mode
        if mode & stat.S_ISVTX or str(path.resolve()) in {"/", os.path.expanduser("~")}:
            return False  # /tmp, say: a mistake in the settings must not close it to everybody
        path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
