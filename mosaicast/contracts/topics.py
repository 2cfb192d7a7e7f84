"""The ten topics: schema, key, version, producer, consumers, retention, largest message. Nowhere else."""

import zlib
from dataclasses import dataclass
from typing import Generic, TypeVar

from mosaicast.contracts.messages import (
    DeadLetter,
    Detections,
    GalleryChanged,
    MediaPacket,
    Message,
    OutgoingFaces,
    OutgoingFrame,
    SampledFrame,
    StatusReport,
    StreamSpec,
    VerdictMessage,
)

M = TypeVar("M", bound=Message)

KIB = 1024
MIB = 1024 * KIB
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS

LARGEST_MESSAGE_BYTES = 16 * MIB
"""What the brokers are told to accept, and what crosses the pipes between a service and its children."""
LARGEST_UNIT_BYTES = LARGEST_MESSAGE_BYTES - 256 * KIB
"""One encoded picture: a keyframe of 4K at the highest quality measured 6 MB, and the edge takes 8. The rest of a
message is room for codec data."""


@dataclass(frozen=True, slots=True)
class Topology:
    """How keys are spread over partitions: the same for every topic, so that one consumer owns all of a stream.

    One value for a whole installation. Composition roots make it from the settings and hand it on.
    """

    partitions: int = 4
    """Of every topic; the embedded broker knows no other number."""

    def __post_init__(self) -> None:
        """Reject what can't be.

        Raises:
            ValueError: fewer than one partition.
        """
        if self.partitions < 1:
            raise ValueError(f"a topic has at least one partition, not {self.partitions}")

    @property
    def numbers(self) -> range:
        """The numbers of the partitions."""
        return range(self.partitions)

    def partition_of(self, key: str) -> int:
        """Return the partition of a key: CRC-32 of its UTF-8 bytes modulo the partitions.

        That is librdkafka's partitioner `consistent`.
        """
        return zlib.crc32(key.encode()) % self.partitions

    def share(self, index: int, count: int) -> frozenset[int]:
        """Return the partitions of instance `index` of `count` when each owns a fixed share."""
        return frozenset(number for number in self.numbers if number % count == index)


@dataclass(frozen=True, slots=True)
class Topic(Generic[M]):
    """One topic and everything that is fixed about it."""

    name: str
    schema: type[M]
    version: int
    key: str
    """The message's field that is its key."""
    producer: str
    consumers: tuple[str, ...]
    retention_ms: int | None
    """After so long nothing of a message is on the broker's disk; None: compacted, kept for ever."""
    largest_bytes: int
    pictures: bool = False
    """Whether messages hold pictures of people: their logs do not outlive the broker's run, see docs/privacy.md."""

    @property
    def compacted(self) -> bool:
        """Whether only the newest message of each key is kept."""
        return self.retention_ms is None


STREAMS = Topic(
    "streams",
    StreamSpec,
    2,
    "stream_id",
    "api",
    ("ingest", "recognizer", "compositor", "detector"),
    None,
    MIB,
)
MEDIA = Topic(
    "media",
    MediaPacket,
    2,
    "stream_id",
    "ingest",
    ("compositor",),
    5 * MINUTE_MS,
    LARGEST_MESSAGE_BYTES,
    pictures=True,
)
FRAMES = Topic("frames", SampledFrame, 2, "stream_id", "ingest", ("detector",), 45_000, 4 * MIB, pictures=True)
DETECTIONS = Topic(
    "detections", Detections, 2, "stream_id", "detector", ("recognizer",), 45_000, 8 * MIB, pictures=True
)
VERDICTS = Topic(
    "verdicts",
    VerdictMessage,
    2,
    "stream_id",
    "recognizer",
    ("compositor",),
    5 * MINUTE_MS,
    1 * MIB,
    pictures=True,  # 16 x 9 grey cells are hardly one, but nobody needs them after a stop
)
OUTGOING = Topic("outgoing", OutgoingFrame, 1, "stream_id", "compositor", ("detector",), 45_000, 1 * MIB, pictures=True)
OUTGOING_FACES = Topic("outgoing-faces", OutgoingFaces, 1, "stream_id", "detector", ("compositor",), 45_000, 512 * KIB)
GALLERY = Topic("gallery", GalleryChanged, 1, "owner_id", "api", ("recognizer",), 6 * HOUR_MS, 4 * KIB)
STATUS = Topic("status", StatusReport, 2, "stream_id", "all", ("api",), 6 * HOUR_MS, 64 * KIB)
DEAD_LETTERS = Topic("dead-letters", DeadLetter, 1, "topic", "all", ("people",), 7 * 24 * HOUR_MS, 4 * KIB)

TOPICS: tuple[Topic[Message], ...] = (
    STREAMS,
    MEDIA,
    FRAMES,
    DETECTIONS,
    VERDICTS,
    OUTGOING,
    OUTGOING_FACES,
    GALLERY,
    STATUS,
    DEAD_LETTERS,
)  # type: ignore[assignment]
BY_NAME: dict[str, Topic[Message]] = {topic.name: topic for topic in TOPICS}
