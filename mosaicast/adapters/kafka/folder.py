"""The folder of our own Kafka: one server at a time, for its owner's eyes only, and no picture left behind."""

import fcntl
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from mosaicast.adapters.kafka.errors import BusError
from mosaicast.contracts.topics import TOPICS
from mosaicast.runtime.clocks import monotonic_s

LOCK_WAIT_S = 10.0
"""A server that was killed a moment ago holds its folder until the kernel has taken its memory back."""
_RETRY_S = 0.1
# A partition's folder is TOPIC-NUMBER; while Kafka moves or deletes it, TOPIC-NUMBER.ID-delete, -stray or -future.
_PICTURES = re.compile(rf"(?:{'|'.join(topic.name for topic in TOPICS if topic.pictures)})-\d+(?:\..*)?")


class KafkaFolder:
    """Where one server keeps its data, settings and log.

    Pictures are deleted when the folder is taken (after a crash they are still there) and when it is given back.
    Desired state, status and notes stay.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / "log"
        """Kafka's `log.dirs`."""
        self._held: int | None = None

    @property
    def formatted(self) -> bool:
        """Whether there is data that a server can start with."""
        return (self.data / "meta.properties").exists()

    def take(self) -> None:
        """Keep the folder for ourselves, shut it to other users, and delete the pictures of an earlier run.

        Raises:
            BusError: another server uses it, or pictures can't be deleted.
        """
        self.make()
        self._held = _locked(self.path / "in-use", fcntl.flock)
        try:
            # The lock of a JVM: one that has outlived its parent still writes here.
            os.close(_locked(self.data / ".lock", fcntl.lockf))
            _shut(self.path)
            self._purge()
        except BaseException:
            self._release()
            raise

    def make(self) -> None:
        """Make what is missing of it."""
        for folder in (self.path, self.data):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def give_back(self) -> None:
        """Delete the pictures and let others use the folder; our server must have ended.

        Raises:
            BusError: pictures can't be deleted.
        """
        if self._held is None:
            return
        try:
            self._purge()
        finally:
            self._release()

    def _purge(self) -> None:
        try:
            for folder in self._picture_logs():
                shutil.rmtree(folder)
        except OSError as exc:
            text = f"pictures can't be deleted from {self.data}: {exc.strerror}"
            raise BusError(text, fault="operator", retry=False) from exc

    def _picture_logs(self) -> Iterator[Path]:
        for entry in list(self.data.iterdir()):
            if _PICTURES.fullmatch(entry.name):
                yield entry

    def _release(self) -> None:
        if self._held is not None:
            os.close(self._held)
        self._held = None


def purge_leftovers(path: Path) -> None:
    """Delete the pictures that a server left in its folder when it was killed, if no server uses it.

    Raises:
        BusError: a server uses it, or pictures can't be deleted.
    """
    if path.is_dir():
        folder = KafkaFolder(path)
        folder.take()
        folder.give_back()


def _locked(path: Path, lock: Callable[[int, int], object]) -> int:
    """Open a file, lock it and return its descriptor; closing that unlocks it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = monotonic_s() + LOCK_WAIT_S
    while True:
        try:
            lock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            if monotonic_s() > until:
                os.close(handle)
                text = f"another Kafka uses {path.parent}: stop that one first"
                raise BusError(text, fault="operator", retry=True) from exc
            threading.Event().wait(_RETRY_S)
        else:
            return handle


def _shut(path: Path) -> None:
    """Take all rights from others: earlier versions left files that anybody could read."""
    for entry in (path, *path.rglob("*")):
        if not entry.is_symlink():
            entry.chmod(entry.stat().st_mode & 0o700)
