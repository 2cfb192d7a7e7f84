"""What the parts of the pipeline ask of libraries. Adapters fit these; tests put plain classes in their place."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from mosaicast.contracts.messages import CodecParameters, MediaPacket
from mosaicast.core.types import Box, MediaTime
from mosaicast.imaging.types import Landmarks, Picture

# --- source ---------------------------------------------------------------------------------------------------


class PacketTimes(Protocol):
    """Times of one packet, in ticks."""

    @property
    def pts(self) -> int:
        """When its picture is shown."""

    @property
    def dts(self) -> int:
        """When it is decoded."""

    @property
    def duration(self) -> int:
        """How long it lasts; 0: the source does not say."""


class SourcePicture(Protocol):
    """One picture as the source's reader decoded it."""

    @property
    def pts(self) -> int:
        """When it is shown, in ticks of the video track."""

    @property
    def time(self) -> MediaTime:
        """The same in exact seconds."""

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""

    def thumbnail(self) -> NDArray[np.uint8]:
        """Return its luma, uint8 [36, 64]. Raises PictureError."""

    def jpeg(self, size_wh: tuple[int, int]) -> bytes:
        """Return it as JPEG of this size. Raises PictureError."""


# --- analyse --------------------------------------------------------------------------------------------------

Reduction = Literal[1, 2, 4, 8]
"""Divides width and height of a JPEG while it is decoded."""


class Jpeg(Protocol):
    """JPEG in and out. Every method may raise JpegError."""

    def size_wh(self, data: bytes) -> tuple[int, int]:
        """Return width and height from the header."""

    def decode(self, data: bytes, reduction: Reduction = 1) -> Picture:
        """Return the picture as BGR [H, W, 3], its sides divided by `reduction` (rounded up)."""

    def encode(self, picture: Picture, quality: int) -> bytes:
        """Return BGR [H, W, 3] as JPEG."""


class RawFace(NamedTuple):
    """One face in pixels of the picture that was given."""

    box: Box
    """May reach over the picture's edge, and always shares pixels with it."""
    score: float
    """0 to 1; two detectors' scores do not compare."""
    landmarks: Landmarks


class Detector(Protocol):
    """Finds faces. One instance belongs to one thread."""

    @property
    def name(self) -> str:
        """Name of the model, fit for a metric label and a message."""

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height at which it looks at such a picture; more pixels tell it nothing more."""

    def detect(self, batch: Sequence[NDArray[np.uint8]], threshold: float) -> list[list[RawFace]]:
        """Return the faces of each picture, best first.

        Args:
            batch: BGR [H, W, 3]; grey ([H, W], [H, W, 1]) and BGRA are understood too. Any sizes, mixed.
            threshold: lowest score of a face that is returned.

        Raises:
            InferenceError: no answer about any picture of this batch. It is never raised as "no face".
        """


# --- decide ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Face:
    """One face to embed."""

    picture: Picture
    """BGR uint8 [H, W, 3]: a crop with room around the face (see `imaging.crops.GROWTH`), or a whole photo."""
    landmarks: Landmarks
    """In pixels of `picture`."""


class Embedded(NamedTuple):
    """What a network says of some faces, in their order."""

    vectors: NDArray[np.float32]
    """[n, dimension], each of length 1; zeros, which are like nobody, where the landmarks span no face."""
    lengths: NDArray[np.float32]
    """[n]: the length of the network's raw vector, before it was brought to 1: how much of a face it saw. It grows with
    a frontal view, light and sharpness, and compares within one network only. 0 where there is no face."""


class Quality(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From what a network's looks count, measured on its own vectors; None: nobody measured it: no such rule holds."""

    votes_from: float | None = None
    """Raw length below which a look has no vote for anybody."""
    sharp_from: float | None = None
    """Sharpness of the crop (`imaging.crops.sharpness`) below which it has none either: faces out of focus are alike,
    whoever they are, and the raw length does not tell."""
    clear_from: float | None = None
    """Raw length below which a miss is no doubt, if the look is like the one before it."""
    like_before: float | None = None
    """Cosine from which a look is like the look of the same track before it."""
    like_own: float | None = None
    """Cosine from which a look is like its track's own confirmed ones."""


class Embedder(Protocol):
    """Turns faces into vectors. One instance belongs to one thread."""

    @property
    def name(self) -> str:
        """Name of the model, fit for a metric label and a message."""

    @property
    def version(self) -> str:
        """Changes whenever vectors are no longer comparable with older ones."""

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""

    @property
    def quality(self) -> Quality:
        """From what its looks count."""

    @property
    def in_batches(self) -> bool:
        """Whether several faces at once cost less than one after another."""

    def embed(self, faces: Sequence[Face]) -> Embedded:
        """Return one vector of length 1 for each face, and how long the network's own one was.

        A face whose landmarks do not span a face gets the zero vector: similar to nobody, so masked.

        Raises:
            InferenceError: no vector of this batch is to be trusted.
        """


# --- paint ----------------------------------------------------------------------------------------------------


class PixelFormat(Protocol):
    """The format of a frame's pixels."""

    @property
    def name(self) -> str:
        """As FFmpeg calls it."""


class Plane(Protocol):
    """One plane of a frame; its memory is read and written through the buffer protocol."""

    @property
    def width(self) -> int:
        """Pixels across."""

    @property
    def height(self) -> int:
        """Pixels down."""

    @property
    def line_size(self) -> int:
        """Bytes from one line to the next."""

    @property
    def buffer_size(self) -> int:
        """Bytes in all."""


class Frame(Protocol):
    """One decoded picture; PyAV's `VideoFrame` is one."""

    @property
    def width(self) -> int:
        """Pixels across."""

    @property
    def height(self) -> int:
        """Pixels down."""

    @property
    def format(self) -> PixelFormat:
        """Format of the pixels."""

    @property
    def time_base(self) -> Fraction:
        """Seconds per tick."""

    @property
    def planes(self) -> Sequence[Any]:
        """`Plane`s, each a writable buffer after `make_writable`."""

    def make_writable(self) -> None:
        """Copy the pixels unless nobody else reads them."""

    def reformat(self, *, width: int, height: int, format: str) -> "Frame":  # noqa: A002 - PyAV's word
        """Return a copy of another size and format."""


class DecodedFrame(Protocol):
    """A decoded picture and the pts of the packet that it came from."""

    @property
    def pts(self) -> int:
        """In ticks."""

    @property
    def frame(self) -> Any:
        """The picture, a `Frame`."""


class FrameDecoder(Protocol):
    """Decodes the video packets of one epoch."""

    def decode(self, packet: MediaPacket) -> Sequence[DecodedFrame]:
        """Return the pictures that this packet completes. Raises DecodeError."""

    def flush(self) -> Sequence[DecodedFrame]:
        """Return the pictures that were held back; nothing can be decoded after. Raises DecodeError."""


OpenDecoder = Callable[[CodecParameters], FrameDecoder]
"""May raise DecodeError."""
Thumbnail = Callable[[Any], "NDArray[np.uint8] | None"]
"""Returns the luma of a `Frame` as `SourcePicture.thumbnail` does; None where it can't be read."""

# --- all ------------------------------------------------------------------------------------------------------

Over = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""Does one thing to each of several items and yields the results in order: `map`, or what threads do at once."""
Activity = Literal["decode", "network", "crop"]
Timed = Callable[[Activity], AbstractContextManager[Any]]
"""Measures what is done inside `with timed("decode"): ...`; whoever has a clock gives one."""


def untimed(activity: Activity) -> AbstractContextManager[None]:  # noqa: ARG001 - the port
    """Measure nothing: a `Timed` for who has no clock."""
    return nullcontext()
