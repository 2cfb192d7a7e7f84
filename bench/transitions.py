"""Faces in transitions: `python -m bench.transitions [--out FILE]`.

Joins two shots by FFmpeg's filters (`synthetic.blends`: fades, dissolves, wipes, morphs, frame-rate conversion,
up to 60 frames long), runs each clip through the product's own parts in media time as a live stream with its delay,
and has the oracle judge every face in every frame, half-transparent ones included. Prints leaks and over-masking.
"""

import argparse
import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from bench.replay_parts import Clip, MemoryGallery, read_clip, recognise
from mosaicast.adapters.media.pictures import Picture
from mosaicast.core.delayline import DelayLine, Release
from mosaicast.core.fingerprint import fingerprint
from mosaicast.core.masks import reach_edges
from mosaicast.core.pacing import Pacer, PacingPolicy
from mosaicast.core.timeline import FramePlan
from mosaicast.core.types import Box, Disposition, MediaTime, Style, Verdict
from mosaicast.pipeline.paint import paint, to_yuv420
from services.compositor.epoch import AHEAD_S
from synthetic.blends import SPARE, Join, joined
from synthetic.cast import Person, jpeg, load_cast
from synthetic.clip import Form, luma_of_frame, write_pictures
from synthetic.oracle import FaceFinding, SourceClip, is_clear, is_leaked
from synthetic.scene import Actor, Scene, Script, Waypoint

SIZE_WH = (640, 360)
SHOT_S = (1.4, 1.2)
"""Of the first shot, long enough for its person to be known, and of the second; a fade overlaps both."""
ENROLLED = "astronaut"
DELAY_S = 1.0
NEAR_S = 0.5
ANSWERED_S = 0.3
"""From a frame's reading to its verdict at the compositor, on a busy machine."""
FLAT = 0.8
"""Share of a painted face's pixels that are as their right and lower neighbours are: 0.90 and more in 590 faces under
mosaic, below 0.17 in faces that show, 0.66 where the source itself pixelates."""
OTHER_XFADES = ("dissolve", "fadeblack", "fadewhite", "wipeleft", "slideleft", "circleopen", "pixelize", "radial")
LENGTHS = (0, 1, 2, 3, 5, 8, 15, 30, 45)
OTHER_LENGTHS = (2, 6, 30)
TELLING = (("wipeup", 30), ("hlslice", 30), ("radial", 45), ("pixelize", 45), ("pixelize", 60))
"""Of 37 other joins (15 kinds, 12 to 60 frames) those that leaked once, or that the oracle takes for leaked."""
AT_CUTS = ("tblend", "framerate", "framerate-60", "minterpolate")
CASTS = {
    "strangers": ((("coach", 0.30), ("player", 0.70)), (("admiral", 0.36), ("pedestrian_b", 0.80))),
    "ghost": (((ENROLLED, 0.30), ("coach", 0.70)), (("admiral", 0.30),)),
    "arrives": ((("admiral", 0.30),), ((ENROLLED, 0.30), ("coach", 0.70))),
    "beside": (((ENROLLED, 0.30),), (("admiral", 0.37),)),
}
"""Who stands where in the two shots: centre as a share of the width."""


@dataclass(slots=True)
class Tally:
    """What came out of some clips."""

    frames: int = 0
    faces: int = 0
    """Of strangers, of which at least `oracle.MIN_WEIGHT` shows."""
    leaks: list[FaceFinding] = field(default_factory=list)
    edges: int = 0
    """Faces that the oracle takes for leaked, although they lie wholly under masks and are painted. The border between
    two shots is no detail of the face beside it, yet the oracle sees it in the face's box, and a mosaic shows it where
    it coincides with a border of blocks: a sliver of 22 px beside a wipe measures 0.4 masked."""
    full: int = 0
    """Frames that are mosaicked whole, ..."""
    far: int = 0
    """... of which so many are further than `NEAR_S` from any frame with two shots in it."""
    enrolled: int = 0
    """Faces of the enrolled person, outside blends ..."""
    clear: int = 0
    """... and how many of them show."""

    def add(self, other: "Tally") -> None:
        """Add another's counts."""
        self.frames += other.frames
        self.faces += other.faces
        self.leaks += other.leaks
        self.edges += other.edges
        self.full += other.full
        self.far += other.far
        self.enrolled += other.enrolled
        self.clear += other.clear

    def summary(self) -> dict[str, int]:
        """Return plain numbers."""
        return {
            "frames": self.frames, "faces_of_strangers": self.faces, "leaks": len(self.leaks),
            "edges": self.edges, "full_mosaic": self.full, "full_mosaic_far_from_it": self.far,
            "enrolled": self.enrolled, "enrolled_clear": self.clear,
        }  # fmt: skip


def main() -> None:
    """Run, print a line for each clip, and write the sums of each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="write the sums of each kind here, as JSON")
    parser.add_argument("--only", default="", help="kinds, lengths or casts whose name holds this")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    people = load_cast()
    gallery = enrolled_gallery(people)
    sums: dict[str, Tally] = {}
    with tempfile.TemporaryDirectory() as folder:
        for join, cast_name in cases():
            if arguments.only not in f"{join}.{cast_name}":
                continue
            path = clip_of(join, cast_name, people, Path(folder))
            clip = read_clip(path)
            tally = judge(path, clip, recognise(clip, gallery), join.fps)
            print(json.dumps({"join": str(join), "cast": cast_name, **tally.summary()}), flush=True)
            sums.setdefault(str(join), Tally()).add(tally)
    if arguments.out:
        arguments.out.write_text(json.dumps({name: one.summary() for name, one in sums.items()}, indent=2) + "\n")


def cases() -> Iterator[tuple[Join, str]]:
    """Yield every case."""
    for cast_name in CASTS:
        for frames in LENGTHS:
            yield Join("fade", frames), cast_name
        for name in AT_CUTS:
            yield Join(name), cast_name
    for cast_name in ("strangers", "beside"):
        for name in OTHER_XFADES:
            for frames in OTHER_LENGTHS:
                yield Join(name, frames), cast_name
        for name, frames in TELLING:
            yield Join(name, frames), cast_name


def clip_of(join: Join, cast_name: str, people: dict[str, Person], folder: Path) -> Path:
    """Return the clip of a case, made if it is not there."""
    path = folder / f"{join}.{cast_name}.mp4"
    if not path.exists():
        first, second = CASTS[cast_name]
        overlap_s = join.frames / join.fps
        seconds = (SHOT_S[0] + overlap_s + SPARE / join.fps, SHOT_S[1] + overlap_s)
        pictures = joined(_shot("studio", first, seconds[0]), _shot("hall", second, seconds[1]), join, people)
        write_pictures(path, pictures, Form(SIZE_WH, join.fps, len(pictures)))
    return path


def _shot(backdrop: str, actors: Sequence[tuple[str, float]], seconds: float) -> Script:
    cast = tuple(
        Actor(name, (Waypoint(0, (x, 0.40), 0.14), Waypoint(seconds, (x + 0.02, 0.42), 0.143))) for name, x in actors
    )
    return Script(SIZE_WH, seconds, (Scene(0, backdrop, cast),))


def enrolled_gallery(people: dict[str, Person]) -> MemoryGallery:
    """Return a gallery that knows `ENROLLED`."""
    gallery = MemoryGallery()
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / ENROLLED
        photos.mkdir()
        (photos / "1.jpg").write_bytes(jpeg(people[ENROLLED].photo))
        gallery.enroll(photos)
    return gallery


def judge(path: Path, clip: Clip, verdicts: Sequence[Verdict], fps: int) -> Tally:
    """Paint every frame as a live stream's delay line plans it, and have the oracle judge it."""
    source, tally = SourceClip.load(path), Tally()
    joint = [number for number, faces in enumerate(source.truth.frames) if any(face.weight < 0.97 for face in faces)]
    joint = joint or [round(SHOT_S[0] * fps)]
    for number, (frame, _, plan) in enumerate(live(clip, verdicts)):
        painted = to_yuv420(frame)
        paint(painted, plan, Style.MOSAIC)
        tally.frames += 1
        if plan.disposition is Disposition.FULL_MOSAIC:
            tally.full += 1
            tally.far += not joint[0] - NEAR_S * fps <= number <= joint[-1] + NEAR_S * fps
        luma = luma_of_frame(painted)
        boxes = [region.bounds for region in reach_edges(plan.regions, *SIZE_WH)]
        _count_faces(tally, source.findings(number, luma), luma, boxes)
    return tally


def _count_faces(
    tally: Tally, findings: Sequence[FaceFinding], luma: NDArray[np.uint8], regions: Sequence[Box]
) -> None:
    for one in findings:
        if one.person == ENROLLED:
            tally.enrolled += one.weight > 0.97
            tally.clear += one.weight > 0.97 and is_clear(one.masked)
        else:
            tally.faces += 1
            if not is_leaked(one.box, one.masked):
                continue
            if _is_under(one.box, regions) and _is_painted(one.box, luma):
                tally.edges += 1
            else:
                tally.leaks.append(one)


def _is_under(box: Box, regions: Sequence[Box]) -> bool:
    """Whether every pixel of a box lies in some region."""
    bare = np.ones((math.ceil(box.height), math.ceil(box.width)), bool)
    for region in regions:
        top, left = max(0, math.ceil(region.y1 - box.y1)), max(0, math.ceil(region.x1 - box.x1))
        bare[top : max(0, math.floor(region.y2 - box.y1)), left : max(0, math.floor(region.x2 - box.x1))] = False
    return not bare.any()


def _is_painted(box: Box, luma: NDArray[np.uint8]) -> bool:
    """Whether blocks are all that a box shows."""
    shown = luma[int(box.y1) : math.ceil(box.y2), int(box.x1) : math.ceil(box.x2)]
    flat = (shown[:-1, :-1] == shown[1:, :-1]) & (shown[:-1, :-1] == shown[:-1, 1:])
    return bool(flat.mean() >= FLAT)


def live(clip: Clip, verdicts: Sequence[Verdict]) -> Iterator[tuple[av.VideoFrame, MediaTime, FramePlan]]:
    """Yield every frame with the plan that a live stream's delay line makes by what is known at its time."""
    pacer = Pacer(PacingPolicy(delay_s=DELAY_S))
    line, held = DelayLine(pacer), {}
    frames = list(clip.frames())
    for time, _ in frames:
        pacer.observe(time, float(time))
    events = [(float(time) + DELAY_S - AHEAD_S, 1, place) for place, (time, _) in enumerate(frames)]
    events += [(float(time) + DELAY_S, 2, place) for place, (time, _) in enumerate(frames)]
    events += [(float(verdict.time) + ANSWERED_S, 0, place) for place, verdict in enumerate(verdicts)]
    line.ends_at(frames[-1][0])
    for now, kind, place in sorted(events):
        if kind == 0:
            commands = line.add_verdict(verdicts[place], now)
        elif kind == 1:
            time, frame = frames[place]
            held[time] = frame
            thumbnail = Picture(frame, frame.time_base).thumbnail()
            commands = line.add_frame(time, now, fingerprint(thumbnail), thumbnail=thumbnail)
        else:
            commands = line.tick(now + 1e-6)
        for command in commands:
            if isinstance(command, Release):
                yield held.pop(command.time), command.time, command.plan


if __name__ == "__main__":
    main()
