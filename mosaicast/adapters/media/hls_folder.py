"""HLS on disk: a folder a stream, which the edge serves as plain files."""

import fcntl
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from mosaicast.runtime.files import write_whole

PLAYLIST = "index.m3u8"
_CLAIM = ".claim"


class HlsStoreError(Exception):
    """Where HLS goes can't be written or emptied: full, away, not ours. The operator's to mend; try again."""


class HlsFolder:
    """Files of all streams below one folder. Whoever reads sees a file whole or not at all.

    Args:
        root: the folder; made when it is needed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def claim(self) -> None:
        """Become the only one who writes here, for as long as this process lives, and sweep.

        Two writers would delete each other's live segments, and neither would delete the other's when it has to.

        Raises:
            HlsStoreError: another process writes here, or the folder can't be made.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock(os.open(self.root / _CLAIM, os.O_CREAT | os.O_RDWR, 0o600))
        except BlockingIOError as exc:
            raise HlsStoreError("another compositor writes into it; each needs a folder of its own") from exc
        except OSError as exc:
            raise _error(exc) from exc
        self.sweep()

    @staticmethod
    def _lock(file: int) -> None:
        """Lock an open file, which stays open until the process ends; close it if another has the lock."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise

    def sweep(self) -> None:
        """Delete whatever an earlier run has left.

        Raises:
            HlsStoreError: something stays.
        """
        try:
            for path in self.root.iterdir() if self.root.is_dir() else ():
                if path.name == _CLAIM:
                    continue
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        except OSError as exc:
            raise _error(exc) from exc

    def write(self, stream_id: str, name: str, data: bytes) -> None:
        """Write a file of a stream in one step.

        Raises:
            HlsStoreError: it is not there.
        """
        folder = self._of(stream_id)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(folder / name, data, durable=False)  # a power cut ends the stream anyway
        except OSError as exc:
            raise _error(exc) from exc

    def delete(self, stream_id: str, names: Iterable[str]) -> None:
        """Delete files of a stream; those that are gone already are no error.

        Raises:
            HlsStoreError: one stays.
        """
        folder = self._of(stream_id)
        try:
            for name in names:
                (folder / name).unlink(missing_ok=True)
        except OSError as exc:
            raise _error(exc) from exc

    def remove(self, stream_id: str) -> None:
        """Delete everything of a stream.

        Raises:
            HlsStoreError: something stays.
        """
        try:
            shutil.rmtree(self._of(stream_id))
        except FileNotFoundError:
            return
        except OSError as exc:
            raise _error(exc) from exc

    def _of(self, stream_id: str) -> Path:
        return self.root / checked(stream_id)


def checked(stream_id: str) -> str:
    """Return the name of a stream, which is one of a folder too.

    Raises:
        HlsStoreError: it would lead to another folder: the log's keys may hold dots.
    """
    if not stream_id or stream_id.startswith(".") or "/" in stream_id:
        raise HlsStoreError("a stream of this name can't have a folder")
    return stream_id


def _error(exc: OSError) -> HlsStoreError:
    return HlsStoreError(exc.strerror or type(exc).__name__)
