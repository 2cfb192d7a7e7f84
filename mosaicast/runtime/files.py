"""Writing a file in one step."""

import contextlib
import os
import tempfile
from pathlib import Path

TEMPORARY = ".new-"
"""How the names of files begin that are not whole yet."""


def write_whole(path: Path, content: bytes, *, replace: bool = True, durable: bool = True) -> None:
    """Write a file of mode 0600 that is there whole or not at all; several processes may do so at once.

    Args:
        path: in a folder that exists.
        content: all of the file.
        replace: whether a file that is there already is replaced.
        durable: wait for the disk, so that it is whole after a power cut too.

    Raises:
        FileExistsError: there is one already, and it is not to be replaced.
        OSError: it can't be written; nothing is left behind.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if replace:
            os.replace(temporary, path)
        else:
            os.link(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
