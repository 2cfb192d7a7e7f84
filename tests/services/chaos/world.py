"""The truth of one simulated broadcast: scenes with people in them, and what a decoder makes of its packets.

A frame of number n shows the people of its scene at their places. Detectors, cameras and decoders are perfect here,
but for what is told below: whatever leaves clear that must not is the fault of what lies between them.
"""

import heapq
import struct
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random

import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.media import jpeg
from mosaicast.adapters.media.packets import Decoded, DecodeError
from mosaicast.contracts.messages import CodecParameters, MediaPacket, TimeBase
from mosaicast.core.types import Box, MediaTime

ENROLLED = "ann"
SIZE_WH = (1280, 720)
FACE_PX = 100
TURNED_S = 0.14
"""How long somebody who comes in may look the other way: with the largest gap between two looks less than `lead`."""
TICK = Fraction(1, 1000)
TIME_BASE = TimeBase(1, 1000)
_SLOTS = (150.0, 400.0, 650.0, 900.0, 1150.0)
_HEADER = struct.Struct("<IIcB")
_PATTERNS = np.random.default_rng(7).integers(30, 225, (24, 9, 16), np.uint8)
"""Pictures of scenes, coarse: no two are alike."""
_NOISE = np.random.default_rng(8).integers(0, 3, (16, 36, 64), np.uint8)
_FLAT_JPEG = jpeg.encode(np.zeros((SIZE_WH[1], SIZE_WH[0], 3), np.uint8), 50)

Faces = dict[str, Box]


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who stands somewhere in a scene, moving a little, from frame `since` up to `until`, not included."""

    name: str
    x: float
    step_px: float
    since: int
    until: int
    turned_until: int
    """Before that frame no detector finds the face: it looks the other way."""

    def at(self, number: int) -> Box | None:
        if not self.since <= number < self.until:
            return None
        x = self.x + self.step_px * (number - self.since)
        return Box(x - FACE_PX / 2, 200, x + FACE_PX / 2, 200 + FACE_PX)


@dataclass(frozen=True, slots=True)
class Scene:
    start: int
    pattern: int
    actors: tuple[Actor, ...]


@dataclass(frozen=True, slots=True)
class Coded:
    """One packet of the source, in decoding order."""

    number: int
    kind: bytes
    """I, P (others build on it), B (nobody does), R: announced as a keyframe, but it builds on what was before, as with
    encoders that refresh their picture bit by bit."""
    order: int
    """Counts packets that others build on; B repeats the number of the one that it follows."""

    @property
    def keyframe(self) -> bool:
        return self.kind in (b"I", b"R")


class World:
    """A broadcast: scenes and how it is coded, all from one seed."""

    def __init__(self, rng: Random, seconds: float, *, refreshes: bool) -> None:
        self.fps = rng.choice([20, 25, 30])
        self.count = int(seconds * self.fps)
        self.scenes = _scenes(rng, self.count, self.fps)
        self._cuts = {scene.start for scene in self.scenes}
        self.refreshes = refreshes
        self.broken_shows = rng.choice(["stale", "ghost"])
        """What a decoder makes of a picture whose references are missing: the old picture, or one that looks right as a
        whole and shows who was there before."""
        self.coded = self._code(rng)
        self._thumbnails: dict[int, NDArray[np.uint8]] = {}

    def scene(self, number: int) -> Scene:
        return next(scene for scene in reversed(self.scenes) if scene.start <= number)

    def faces(self, number: int) -> Faces:
        places = {actor.name: actor.at(number) for actor in self.scene(number).actors}
        return {name: box for name, box in places.items() if box is not None}

    def found(self, number: int) -> Faces:
        """Return the faces that a detector finds."""
        turned = {actor.name for actor in self.scene(number).actors if number < actor.turned_until}
        return {name: box for name, box in self.faces(number).items() if name not in turned}

    def thumbnail(self, number: int) -> NDArray[np.uint8]:
        if number not in self._thumbnails:
            pattern = _PATTERNS[self.scene(number).pattern]
            large = np.repeat(np.repeat(pattern, 4, axis=0), 4, axis=1)
            self._thumbnails[number] = large + _NOISE[number % len(_NOISE)]
        return self._thumbnails[number]

    def _code(self, rng: Random) -> list[Coded]:
        group, bframes, at_cuts = rng.choice([8, 15, 30]), rng.random() < 0.4, rng.random() < 0.5
        coded: list[Coded] = []
        order, begin = 0, 0
        while begin < self.count:
            end = min(self.count, begin + group)
            if at_cuts:
                end = min([end, *(cut for cut in self._cuts if cut > begin)])
            for number, kind in _group(begin, end, bframes=bframes, refreshes=self.refreshes):
                order += kind != b"B"
                coded.append(Coded(number, kind, order))
            begin = end
        return coded


def _group(begin: int, end: int, *, bframes: bool, refreshes: bool) -> list[tuple[int, bytes]]:
    """Return one group of pictures in decoding order."""
    packets, number = [(begin, b"I")], begin + 1
    while number < end:
        if bframes and number + 2 < end:
            packets += [(number + 2, b"P"), (number, b"B"), (number + 1, b"B")]
            number += 3
        else:
            packets.append((number, b"R" if refreshes and number == begin + 4 and number + 8 < end else b"P"))
            number += 1
    return packets


def _scenes(rng: Random, count: int, fps: int) -> tuple[Scene, ...]:
    starts, scenes = [0], []
    while starts[-1] < count:
        flash = rng.random() < 0.2
        starts.append(starts[-1] + (rng.randrange(3, 7) if flash else rng.randrange(int(0.7 * fps), int(2.2 * fps))))
    starts = [start for start in starts if start < count]
    patterns = rng.sample(range(len(_PATTERNS)), len(starts))
    usual = rng.choice(_SLOTS)
    for turn, start in enumerate(starts):
        end = starts[turn + 1] if turn + 1 < len(starts) else count
        scenes.append(Scene(start, patterns[turn], tuple(_cast(rng, start, end, fps, usual))))
    return tuple(scenes)


def _cast(rng: Random, start: int, end: int, fps: int, usual: float) -> list[Actor]:
    """Who is in a scene. Strangers like to stand where the enrolled person stood in the scene before."""
    others = [slot for slot in _SLOTS if slot != usual]
    rng.shuffle(others)
    actors, enrolled = [], rng.random() < 0.65
    if enrolled:
        actors.append(Actor(ENROLLED, usual, rng.uniform(-1, 1), start, end, start))
    for index in range(rng.choice([0, 1, 1, 2])):
        place = usual if index == 0 and not enrolled else others.pop()
        since = start if rng.random() < 0.5 else rng.randrange(start, end)
        until = min(end, since + max(fps // 2, rng.randrange(1, 2 * fps)))
        # Who never shows the face is found by nobody, and is no matter of what happens to messages.
        turned = rng.choice([0, 0, int(TURNED_S * fps)]) if until - since > fps // 2 else 0
        actors.append(Actor(f"stranger{index}", place, rng.uniform(-2, 2), since, until, since + turned))
    return actors


def data_of(coded: Coded, breakage: int = 0) -> bytes:
    """Return the bytes of a packet."""
    return _HEADER.pack(coded.number, coded.order, coded.kind, breakage)


PARAMETERS = CodecParameters(
    track="video", codec="h264", time_base=TIME_BASE, width=SIZE_WH[0], height=SIZE_WH[1], frame_rate=30.0
)


@dataclass(slots=True)
class Shown:
    """A decoded frame, as the engine takes it: what it shows is known."""

    number: int
    faces: list[tuple[str, Box]]
    thumbnail: NDArray[np.uint8]
    width: int = SIZE_WH[0]
    height: int = SIZE_WH[1]
    color_range: int = 1
    color_primaries: int = 1
    color_trc: int = 1
    colorspace: int = 1
    planes: tuple["Plane", ...] = ()


@dataclass(frozen=True, slots=True)
class Plane:
    buffer_size: int = 1000


@dataclass(slots=True)
class Decoder:
    """Stands in for `PacketDecoder`: conceals as decoders do, and gives frames in presentation order.

    Args:
        fails: share of the packets that it refuses, although ingest's decoder did not.
        errs: share of the groups of pictures in which it shows another scene, and says nothing.
    """

    world: World
    rng: Random
    fails: float = 0.0
    errs: float = 0.0
    _order: int | None = None
    _whole: bool = False
    _wrong: int | None = None
    _stale: int | None = None
    _reordering: list[tuple[int, int, Shown]] = field(default_factory=list)
    _counted: int = 0

    def decode(self, packet: MediaPacket) -> list[Decoded]:
        number, order, kind, _ = _HEADER.unpack(packet.data)
        if self.rng.random() < self.fails:
            if kind != b"B":
                self._whole = False
            raise DecodeError("told to fail")
        if kind == b"I":
            self._whole = True
            self._wrong = self._another_scene(number) if self.rng.random() < self.errs else None
        elif order != (self._order if kind == b"B" else (self._order or 0) + 1):
            self._whole = False
        if kind != b"B":
            self._order = order
        self._counted += 1
        if self._whole or self._stale is not None:  # a decoder that begins in between waits until pictures are whole
            heapq.heappush(self._reordering, (packet.pts, self._counted, self._picture(number)))
        return self._out(2)

    def flush(self) -> list[Decoded]:
        return self._out(0)

    def _picture(self, number: int) -> Shown:
        world = self.world
        number = number if self._wrong is None else self._wrong
        if self._whole:
            self._stale = number
            return Shown(number, list(world.faces(number).items()), world.thumbnail(number))
        assert self._stale is not None
        before = list(world.faces(self._stale).items())
        if world.broken_shows == "stale":
            return Shown(self._stale, before, world.thumbnail(self._stale))
        return Shown(number, [*before, *world.faces(number).items()], world.thumbnail(number))

    def _another_scene(self, number: int) -> int:
        return self.rng.choice([scene.start for scene in self.world.scenes if scene is not self.world.scene(number)])

    def _out(self, kept: int) -> list[Decoded]:
        frames = []
        while len(self._reordering) > kept:
            pts, _, shown = heapq.heappop(self._reordering)
            frames.append(Decoded(pts, shown))
        return frames


@dataclass(frozen=True, slots=True)
class Pictured:
    """A picture as ingest decoded it; its JPEG is any of that size, and says its number after its end."""

    world: World
    number: int
    pts: int
    size_wh: tuple[int, int] = SIZE_WH

    @property
    def time(self) -> MediaTime:
        return self.pts * TICK

    def thumbnail(self) -> NDArray[np.uint8]:
        return self.world.thumbnail(self.number)

    def jpeg(self, size_wh: tuple[int, int]) -> bytes:
        return _FLAT_JPEG + b"%08d" % self.number


def number_in(jpeg: bytes) -> int:
    """Return which picture it is."""
    return int(jpeg[-8:])
