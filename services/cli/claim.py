"""One `mosaicast up` for a data folder: two would take each other's edge, pictures and secrets."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from services.cli.failures import CommandError

_FILE = "in-use"


@contextlib.contextmanager
def claimed(data_dir: Path) -> Iterator[None]:
    """Keep a data folder for this process, as long as the context lasts.

    Raises:
        CommandError: another process has it, or it can't be written.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(data_dir / _FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise CommandError(f"the data folder {data_dir} can't be used: {exc.strerror}") from exc
    try:
        _lock(handle, data_dir)
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)  # unlocks it


def _lock(handle: int, data_dir: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        who = os.pread(handle, 20, 0).decode(errors="replace")
        raise CommandError(
            f"Mosaicast runs on {data_dir} already (process {who}): stop it, or choose another folder with --data-dir"
        ) from exc
