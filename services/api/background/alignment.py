"""At the start: what the log holds of streams is compared with the database, and whatever differs is told."""

import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from mosaicast.adapters.database.storage import Storage, StorageError
from mosaicast.adapters.kafka import BusError, Received
from mosaicast.contracts.messages import StreamSpec
from mosaicast.contracts.topics import STREAMS
from mosaicast.core.consents import NEVER_MS
from mosaicast.runtime.logs import get_logger

RETRY_S = 2.0
_POLL_S = 0.2
_LOG = get_logger(__name__)


class Reader(Protocol):
    """Reads the topic `streams` from its beginning."""

    @property
    def caught_up(self) -> bool:
        """Whether all that was there at the start has been read."""

    def poll(self, timeout_s: float) -> list[Received]:
        """Return what has arrived. Raises BusError."""

    def close(self) -> None:
        """Stop reading."""


def align(
    make_reader: Callable[[], Reader],
    storage: Storage,
    wall_ms: Callable[[], int],
    wake: Callable[[], None],
    stop: threading.Event,
) -> None:
    """Compare once, however long the broker or the database are away; give up when `stop` is set.

    Args:
        wake: called when something must be told.
    """
    while not stop.is_set():
        reader = make_reader()
        try:
            held = read_all(reader, stop)
            if held is not None:
                note_differences(held, storage, wall_ms())
                wake()
                return
        except (BusError, StorageError) as exc:
            _LOG.error("log_not_compared", error=str(exc))
        finally:
            reader.close()
        stop.wait(RETRY_S)


def read_all(reader: Reader, stop: threading.Event) -> dict[str, StreamSpec] | None:
    """Return the highest revision that the log holds of each stream; None: stopped before its end.

    Not the newest message: a restored database may have been told already, and who knows a higher revision ignores it.

    Raises:
        BusError: the client is beyond repair.
    """
    held: dict[str, StreamSpec] = {}
    while not reader.caught_up:
        if stop.is_set():
            return None
        for received in reader.poll(_POLL_S):
            if isinstance(received.message, StreamSpec):
                known = held.get(received.key)
                if known is None or received.message.revision >= known.revision:
                    held[received.key] = received.message
            else:
                held.pop(received.key, None)
    return held


def note_differences(held: Mapping[str, StreamSpec], storage: Storage, now_ms: int) -> None:
    """Note that the end of streams which only the log knows must be told, and of others whatever the log has not.

    Raises:
        StorageError: the database is away.
    """
    there = {stream.stream_id: stream for stream in storage.streams()}  # after the log: a new one is here before there
    gone = sorted(held.keys() - there.keys())
    storage.must_tell(STREAMS.name, gone)
    newer_in_log = 0
    for stream_id, stream in there.items():
        known = held.get(stream_id)
        if known is None or known.revision < stream.revision:
            storage.must_tell(STREAMS.name, [stream_id])
        elif known != (own := stream.spec(storage.visible_people(stream.owner_id, stream_id, now_ms))):
            # A database of before, with changes of its own: what it says now must not look older than what was said.
            storage.outlive(known, _ended(own, known))
            newer_in_log += 1
    if gone or newer_in_log:
        _LOG.warning("log_differed", ended=len(gone), newer_in_log=newer_in_log)


def _ended(own: StreamSpec, known: StreamSpec) -> dict[str, int]:
    """Return the known ends of consents that the database has later ends for, wall ms by person."""
    until = {person: known.visible_until.get(person, NEVER_MS) for person in own.visible_until}
    return {person: end_ms for person, end_ms in until.items() if end_ms < own.visible_until[person]}
