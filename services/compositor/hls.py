"""The HLS of one stream, in the parent: it owns the files, from the first segment until nothing is left.

The child only cuts segments in memory and sends them; they are written by a thread of its own here, to a disk or to an
edge on another machine. A store that is slow, full or away stops the HLS of this stream and nothing else: no picture
waits for it.
"""

import contextlib
import math
import queue
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from mosaicast.adapters.media.hls_folder import PLAYLIST, HlsStoreError
from mosaicast.contracts.messages import StreamSpec
from mosaicast.contracts.situations import Situation, masking
from mosaicast.core.playlist import Entry, Playlist, keeps_to_target
from mosaicast.runtime import logs
from services.compositor.wire import Segment

WAITING = 4
"""Segments that may wait for the store, 8 s of a stream; what comes then is left out."""
ENDED_S = 10.0
"""Files stay for so long after a source has ended, so that viewers are still there if the publisher reconnects."""
STALLED_S = 60.0
"""The same if nobody said that the source has ended."""
GONE_S = 60.0
"""Players may load the last segments for so long after the end."""
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 60.0
"""Between tries at a store that fails; each doubles the pause."""

_LOG = logs.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Words:
    """What a store's users read when it does not work."""

    fails: Situation
    slow: Situation


DISK = Words(masking.HLS_FAILS, masking.HLS_SLOW)
EDGE = Words(masking.HLS_EDGE_FAILS, masking.HLS_EDGE_SLOW)


class Store(Protocol):
    """Where files go. Every method raises HlsStoreError."""

    def write(self, stream_id: str, name: str, data: bytes) -> None:
        """Write a file of a stream in one step."""

    def delete(self, stream_id: str, names: Iterable[str]) -> None:
        """Delete files of a stream."""

    def remove(self, stream_id: str) -> None:
        """Delete everything of a stream."""


def shows_less(old: StreamSpec | None, new: StreamSpec) -> bool:
    """Return whether pictures that were fine under `old` may not be shown under `new`.

    Panic began, an always-masked zone is new, or somebody may be seen less long than before (also when a consent ran
    out and is not named any more).
    """
    if old is None:
        return False
    if (new.panic and not old.panic) or set(new.policy.zones) - set(old.policy.zones):
        return True
    return any(new.visible_until.get(person, 0) < end_ms for person, end_ms in old.visible_until.items())


class HlsFiles:
    """The files of one stream and the playlist that names them. Belongs to one thread.

    Args:
        first_sequence: more than players have seen of this stream from any earlier run.
        new_name: makes names that nobody can guess.
    """

    def __init__(
        self,
        stream_id: str,
        store: Store,
        first_sequence: int,
        new_name: Callable[[], str] = lambda: secrets.token_urlsafe(12),
    ) -> None:
        self._stream_id, self._store, self._new_name = stream_id, store, new_name
        self._playlist = Playlist(first_sequence)

    def add(self, segment: Segment) -> None:
        """Write a segment, then the playlist that names it, then delete what is too old.

        One that is longer than players were told is left out: ours makes none, but a child reads hostile media.

        Raises:
            HlsStoreError: it did not work; nothing is listed that is not there.
        """
        if not keeps_to_target(segment.duration_s):
            return self.leave_out()
        name = f"{self._new_name()}.ts"
        self._store.write(self._stream_id, name, segment.data)
        began = datetime.fromtimestamp(segment.began_ms / 1000, UTC).isoformat(timespec="milliseconds")
        address = f"{self._stream_id}/{name}"
        gone = self._playlist.add(Entry(address, segment.duration_s, began, segment.discontinuity))
        self._write_playlist()
        return self._delete(gone)

    def leave_out(self) -> None:
        """A segment was not written: the next one is a break."""
        self._playlist.lost()

    def purge(self) -> None:
        """Delete every segment. The playlist's text stays until the next one: players that have all of it wait on.

        Raises:
            HlsStoreError: something stays.
        """
        self._delete(self._playlist.clear())

    def end(self) -> None:
        """Tell players that nothing follows.

        Raises:
            HlsStoreError: they were not told.
        """
        self._playlist.end()
        self._write_playlist()

    def remove(self) -> None:
        """Delete everything; numbers go on.

        Raises:
            HlsStoreError: something stays.
        """
        self._playlist.clear()
        self._store.remove(self._stream_id)

    def _write_playlist(self) -> None:
        self._store.write(self._stream_id, PLAYLIST, self._playlist.text().encode())

    def _delete(self, addresses: list[str]) -> None:
        self._store.delete(self._stream_id, [address.rpartition("/")[2] for address in addresses])


class HlsOutput:
    """What the runner tells, done on a thread of its own. No method but `close` waits for the store.

    Args:
        files: the files.
        clock: monotonic seconds.
        words: what users read when the store does not work.
    """

    def __init__(self, files: HlsFiles, clock: Callable[[], float], words: Words = DISK) -> None:
        self.note = ""
        """A sentence for the user; empty when all is well."""
        self._files, self._clock, self._words = files, clock, words
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._waiting = threading.Semaphore(WAITING)
        self._least_revision = 0
        self._taken_back_s = -math.inf
        self._pause_s, self._retry_s = FIRST_PAUSE_S, 0.0
        self._unclean = False
        self._last_s: float | None = None
        self._ended_s: float | None = None

    @property
    def clean(self) -> bool:
        """Whether nothing stays that should have been deleted."""
        return not self._unclean

    def on_segment(self, segment: Segment) -> None:
        """Take in a segment from the child."""
        if segment.revision < self._least_revision or segment.began_s <= self._taken_back_s:
            return
        self._last_s, self._ended_s = self._clock(), None
        if not self._waiting.acquire(blocking=False):
            self.note = self._words.slow.says()
            self._do(self._files.leave_out)
            return
        self._do(lambda: self._add(segment))

    def purge(self, revision: int) -> None:
        """Delete all segments, and take none that began before this revision of the spec."""
        self._least_revision = revision
        if self._last_s is not None:
            self._do(self._files.purge)

    def purge_until(self, now_s: float) -> None:
        """Delete all segments, and take none that began by then: they may show what should not have been seen.

        Args:
            now_s: monotonic seconds, of the clock that the child has too.
        """
        self._taken_back_s = max(self._taken_back_s, now_s)
        if self._last_s is not None:
            self._do(self._files.purge)

    def tick(self, *, over: bool) -> None:
        """Do what is due.

        Args:
            over: the source has ended, as far as anybody knows.
        """
        now = self._clock()
        if self._unclean and now >= self._retry_s:
            self._retry_s = now + self._pause_s
            self._do(self._files.remove)
        if self._last_s is None:
            return
        if self._ended_s is None and now - self._last_s > (ENDED_S if over else STALLED_S):
            self._ended_s = now
            self._do(self._files.end)
        elif self._ended_s is not None and now - self._ended_s > GONE_S:
            self._last_s = self._ended_s = None
            self._do(self._files.remove)

    def close(self, timeout_s: float = 2.0) -> bool:
        """Delete everything and stop. Waits at most `timeout_s` for a store that hangs.

        Returns: whether nothing stays. Otherwise `tick` tries again, and the next start sweeps.
        """
        self._last_s = self._ended_s = None
        if self._thread is not None:
            self._do(self._files.remove)
            self._jobs.put(None)
            self._thread.join(timeout_s)
            self._unclean |= self._thread.is_alive()
            self._thread = None
        return self.clean

    def settle(self, timeout_s: float = 10.0) -> bool:
        """Wait until everything told so far is done; return whether it is."""
        done = threading.Event()
        self._do(done.set)
        return done.wait(timeout_s)

    def _do(self, job: Callable[[], None]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="hls", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
                if job == self._files.remove:
                    self._unclean, self.note = False, ""
            except HlsStoreError as exc:
                self._fail(exc)

    def _add(self, segment: Segment) -> None:
        self._waiting.release()
        if segment.revision < self._least_revision or self._clock() < self._retry_s:
            self._files.leave_out()
            return
        self._files.add(segment)
        self.note, self._pause_s, self._retry_s = "", FIRST_PAUSE_S, 0.0

    def _fail(self, exc: HlsStoreError) -> None:
        """Clear away what is there (players would take it for live) and pause."""
        self.note = self._words.fails.says(why=exc)
        _LOG.error("hls_store_failed", error=str(exc), pause_s=self._pause_s)
        self._retry_s = self._clock() + self._pause_s
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
        self._unclean = True
        with contextlib.suppress(HlsStoreError):
            self._files.remove()
            self._unclean = False
