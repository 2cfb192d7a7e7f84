"""What the api works with, built in the composition root."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mosaicast.adapters.database.storage import Person, Storage, Stream
from mosaicast.adapters.vault import Vault
from services.api.background.outbox import OutboxSender
from services.api.errors import NoSuchPersonError, NoSuchStreamError, NotToldError
from services.api.people.clips import ClipJudge
from services.api.people.enrollment import Enroller
from services.api.people.reindex import Reindexer
from services.api.people.templates import Templates
from services.api.slots import Slots
from services.api.status import StatusBoard


class Edge(Protocol):
    """The media server's control side."""

    async def publishers(self) -> frozenset[str] | None:
        """Return the streams that somebody publishes raw now; None: it does not say."""

    async def drop_publisher(self, stream_id: str) -> None:
        """Cut off whoever publishes on a stream; best effort."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """How people reach the edge, and the api."""

    rtmp_url: str
    hls_url: str
    api_url: str | None = None
    """None: nobody has said; who asks has some address."""

    def masked(self, stream_id: str) -> tuple[str, str]:
        """Return the RTMP and HLS addresses of a masked stream."""
        return f"{self.rtmp_url}/masked/{stream_id}", f"{self.hls_url}/{stream_id}.m3u8"

    def watch(self, stream_id: str) -> str | None:
        """Return the address of a stream's page for viewers; None: nobody has said how others reach the api."""
        return None if self.api_url is None else f"{self.api_url}/watch/{stream_id}"


class Readers:
    """Lets a publisher begin when ingest listens: whoever joins later waits for the next keyframe, often for seconds.

    Used by one event loop only.
    """

    def __init__(self, longest_s: float = 2.0) -> None:
        self._longest_s = longest_s
        self._expected: dict[str, asyncio.Event] = {}

    @property
    def young_ms(self) -> int:
        """While a publication is younger, its publisher may wait for its answer, and be on no page of the edge yet."""
        return round((self._longest_s + 1.0) * 1000)

    def expect(self, stream_id: str) -> None:
        """A publication is about to be announced."""
        self._expected[stream_id] = asyncio.Event()

    def came(self, stream_id: str) -> None:
        """Ingest plays the raw stream."""
        if stream_id in self._expected:
            self._expected[stream_id].set()

    async def wait(self, stream_id: str) -> bool:
        """Wait until ingest plays, at most `longest_s`; False: it did not, and the publisher begins all the same."""
        event = self._expected[stream_id]
        try:
            await asyncio.wait_for(event.wait(), self._longest_s)
        except TimeoutError:
            return False
        finally:
            if self._expected.get(stream_id) is event:  # not a later publisher's
                del self._expected[stream_id]
        return True


@dataclass(frozen=True, slots=True)
class Deps:
    """Everything that the api uses."""

    storage: Storage
    outbox: OutboxSender
    templates: Templates
    vault: Vault
    enroller: Enroller
    clips: ClipJudge
    reindexer: Reindexer
    edge: Edge
    board: StatusBoard
    addresses: Addresses
    edge_token: str
    media_dir: Path | None
    wall_ms: Callable[[], int]
    monotonic_s: Callable[[], float]
    readers: Readers = field(default_factory=Readers)
    uploads: Slots = field(default_factory=Slots)

    def stream(self, stream_id: str) -> Stream:
        """Return a stream.

        Raises:
            NoSuchStreamError: there is none.
        """
        return found(self.storage.stream(stream_id), stream_id)

    def person(self, person_id: str) -> Person:
        """Return a person.

        Raises:
            NoSuchPersonError: there is none.
        """
        person = self.storage.person(person_id)
        if person is None:
            raise NoSuchPersonError(person_id)
        return person


def found(stream: Stream | None, stream_id: str) -> Stream:
    """Return the stream, or say that there is none.

    Raises:
        NoSuchStreamError: there is none.
    """
    if stream is None:
        raise NoSuchStreamError(stream_id)
    return stream


def must_be_told(told: bool) -> None:
    """Let nobody believe that something works which the others do not know of.

    Raises:
        NotToldError: whoever presses a button, or takes a consent back, must hear that it has not worked yet.
    """
    if not told:
        raise NotToldError
