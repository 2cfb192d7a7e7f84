"""What crosses the pipe between ingest and the child that reads one stream.

Child to parent: one byte that says which message, then its bytes. Parent to child: one `Command`.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from mosaicast.contracts.codec import decode, encode
from mosaicast.contracts.errors import ContractError
from mosaicast.contracts.messages import CodecParameters, MediaPacket, SampledFrame, ShortText
from mosaicast.contracts.topics import FRAMES, LARGEST_MESSAGE_BYTES, MEDIA
from mosaicast.core.allowed import Allowed

LARGEST_PIPE_BYTES = LARGEST_MESSAGE_BYTES + 1
"""The parent reads no more: the child handles hostile media and is not trusted."""


@dataclass(frozen=True, slots=True)
class Job:
    """What one child reads. Picklable."""

    stream_id: str
    url: str
    """RTMP address with the token, or the absolute path of a file."""
    live: bool
    epoch: int
    """Number of its first epoch; it counts on from there."""
    analysis_fps: float
    detection_threshold: float
    allowed: Allowed | None = None
    """Containers and codecs; None: the default list of its kind."""
    headers: tuple[CodecParameters, ...] = ()
    """What an earlier child read of the same publication: an edge may tell a later reader less."""

    @property
    def allows(self) -> Allowed:
        """Containers and codecs that the source may be."""
        return self.allowed or (Allowed.live() if self.live else Allowed.file())


Word = Annotated[str, msgspec.Meta(max_length=40, pattern=r"^[a-z0-9_]+\Z")]
"""It becomes a label of metrics, or a name in the status."""


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """New analysis settings for a running child."""

    analysis_fps: float
    detection_threshold: float
    begin_anew: bool = False
    """A video packet of this epoch is lost: begin another at the next keyframe."""


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a running child did not pass on, counted since its start, and why; about once a second."""

    counters: Annotated[dict[Word, Annotated[int, msgspec.Meta(ge=0, le=2**53)]], msgspec.Meta(max_length=32)]
    note: ShortText = ""
    """A sentence for the user about what is read and can't be used, or is not as it should be; empty: all is well."""


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last message of a child that ends in order."""

    code: Word
    """`end` for the source's clean end, else the error's code."""
    text: ShortText = ""
    fault: Literal["", "content", "network", "operator"] = ""
    retry: bool = True


FromChild = MediaPacket | SampledFrame | Report | End

_REPORTS = msgspec.msgpack.Decoder(Report)
_ENDS = msgspec.msgpack.Decoder(End)
_COMMANDS = msgspec.msgpack.Decoder(Command)


def pack(message: FromChild) -> bytes:
    """Return the bytes of a message of the child.

    Raises:
        ContractError: it is larger than its topic allows.
    """
    if isinstance(message, MediaPacket):
        return b"M" + encode(MEDIA, message)
    if isinstance(message, SampledFrame):
        return b"F" + encode(FRAMES, message)
    return (b"R" if isinstance(message, Report) else b"E") + msgspec.msgpack.encode(message)


def unpack(raw: bytes) -> FromChild:
    """Return the message in `raw`.

    Raises:
        ContractError: these are not the bytes of a message.
    """
    kind, body = raw[:1], raw[1:]
    if kind == b"M":
        return decode(MEDIA, body)
    if kind == b"F":
        return decode(FRAMES, body)
    if kind not in (b"R", b"E"):
        raise ContractError("garbage", "no such message of a child")
    try:
        return _REPORTS.decode(body) if kind == b"R" else _ENDS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ContractError("garbage", "a report of a child") from exc


def pack_command(command: Command) -> bytes:
    """Return the bytes of a command."""
    return msgspec.msgpack.encode(command)


def unpack_command(raw: bytes) -> Command:
    """Return the command in `raw`.

    Raises:
        msgspec.DecodeError: not a command; our own parent is broken.
    """
    return _COMMANDS.decode(raw)
