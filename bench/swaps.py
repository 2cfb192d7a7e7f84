"""Puts strangers in the enrolled person's place: `MOSAICAST_DATA=... python -m bench.swaps`; ends with 1 if one shows.

From one sample to the next the person's box holds the looks of somebody from another clip, as they followed each
other there: where the person's face was (no jump), or more than half a face beside it. The product's tracker, machine
and timeline decide; a frame counts as shown if it leaves, after the delay, with the stranger's face under no mask.
"""

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np

from bench.lookalike_looks import tracks_of
from bench.lookalike_people import in_folders
from bench.lookalike_replay import PERSON, Vectors, replayed
from bench.networks import WITNESS, made, witness
from bench.recognition_data import Eye
from bench.seen import ClipReader, SeenClip, row_of, together
from mosaicast.adapters.detectors import make_detector
from mosaicast.adapters.embedders import Embedder
from mosaicast.contracts.messages import Detections, FaceDetection
from mosaicast.contracts.streams import ANSWER_S, Policy
from mosaicast.core.pose import yaw_ratio
from mosaicast.core.timeline import Timeline
from mosaicast.core.types import Box, Disposition, MediaTime, PersonId, Verdict

HOST, HOST_PERSON = "billhyland2.mp4", "Bill"
OF_CLIPS = ("messi_team_768x432.mp4", "short_hamilton_clip.mp4", "kr_interview_720p.mp4", "restaurant_02_720p.mp4",
            "facenet_street_1080p.mp4", "mask_on_off_720p.mp4", "crowd_street_640x360.mp4")  # fmt: skip
LOOKS = 24
"""Frames of a stranger, at most; then the last one stays."""
APART = 15
"""Looks between two beginnings in one track."""
BEFORE, AFTER = 60, 45
"""Frames of the clip around a swap."""
SWAPS_AT = (90, 120, 150, 180, 210)
"""Frames of the clip in which the person has been clear for long."""
JUMP = 0.9
"""Of the face's width."""
AHEAD_S = Policy().delay_s - ANSWER_S
"""How far beyond a frame the verdicts reach that are there when it leaves."""
TURNED, BLURRED = 0.5, 30.0


@dataclass(frozen=True, slots=True)
class Stranger:
    """Looks of somebody, one after another."""

    clip: str
    faces: list[FaceDetection]
    kind: str


@dataclass(frozen=True, slots=True)
class Swap:
    """What became of one."""

    kind: str
    jump: bool
    was_clear: bool
    """The person was, right before: without that a swap proves nothing."""
    looks_clear: int
    """Samples of the stranger that were taken for the person."""
    frames: int
    shown: int


def main() -> None:
    """Measure, show, and say whether the promise holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("bench/results/swaps.json"))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "mosaicast-lookalikes")
    arguments = parser.parse_args()
    root = os.environ.get("MOSAICAST_DATA")
    if not root:
        sys.exit("MOSAICAST_DATA names no folder with clips and labelled faces")
    cv2.setNumThreads(1)
    results = measure(Path(root), arguments.cache)
    print(json.dumps(results, indent=1))
    arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    sys.exit(0 if results["holds"] else 1)


def measure(root: Path, cache: Path) -> dict[str, Any]:
    """Return every figure."""
    networks = made()
    seeing = {**networks, **witness(root)}
    eye = Eye(make_detector("centerface"), seeing, cache)
    reader = ClipReader(make_detector("centerface"), seeing, cache)
    person = next(one for one in in_folders(root, eye) if one.person == HOST_PERSON and one.source == "photos")
    host = reader.see(root / "video" / HOST)
    found = []
    for name in OF_CLIPS:
        guest = reader.see(root / "video" / name)
        both = joined(host, guest)
        for number, stranger in enumerate(strangers(guest, len(host.embedded[WITNESS].lengths))):
            for jump in (False, True):
                at = SWAPS_AT[number % len(SWAPS_AT)]
                found.append(swapped(both, stranger, at, {PERSON: person.vectors}, networks, jump=jump))
    return summary(found)


def joined(host: SeenClip, guest: SeenClip) -> SeenClip:
    """Return the host's frames with both clips' vectors, the guest's after the host's."""
    embedded = {name: together([one, guest.embedded[name]]) for name, one in host.embedded.items()}
    return SeenClip(host.name, host.frames, embedded)


def strangers(clip: SeenClip, first_row: int) -> Iterator[Stranger]:
    """Yield looks of the people of a clip, at every frame; rows count from `first_row`."""
    by_row = {row_of(face): face for frame in clip.frames for face in frame.faces}
    every = SeenClip(clip.name, clip.frames, clip.embedded)
    for phase in clip.phases:
        for track in tracks_of(every, phase):
            for begin in range(0, len(track) - 2, APART):
                faces = [moved(by_row[row], row + first_row) for row in track.rows[begin : begin + LOOKS]]
                yield Stranger(clip.name, faces, kind_of(faces[0]))


def moved(face: FaceDetection, row: int) -> FaceDetection:
    """Return a face with another row."""
    assert face.crop is not None
    return msgspec.structs.replace(face, crop=msgspec.structs.replace(face.crop, jpeg=row.to_bytes(4, "big")))


def kind_of(face: FaceDetection) -> str:
    """Return what kind of look it is."""
    if abs(yaw_ratio(face.landmarks)) > TURNED:
        return "turned"
    return "blurred or dark" if face.sharpness < BLURRED else "frontal"


def swapped(  # noqa: PLR0913 - who, whom, where and how
    clip: SeenClip, stranger: Stranger, at: int, people: Mapping[PersonId, Mapping[str, Vectors]],
    networks: Mapping[str, Embedder], *, jump: bool,
) -> Swap:  # fmt: skip
    """Return what becomes of one swap at frame `at`."""
    before = clip.frames[at - BEFORE : at]
    person = person_in(clip, before, people, networks)
    if person is None:
        return Swap(stranger.kind, jump, was_clear=False, looks_clear=0, frames=0, shown=0)
    frames, places = list(before), dict[MediaTime, Box]()
    for number, frame in enumerate(clip.frames[at : at + AFTER]):
        face = stranger.faces[min(number // 3, len(stranger.faces) - 1)]
        place = nearest_face(frame, person)
        person = frame.faces[place].box
        box = places[frame.time] = beside(person, JUMP if jump else 0.0)
        frames.append(with_face(frame, place, face, box))
    verdicts = replayed(SeenClip(clip.name, frames, clip.embedded), people, networks, 0, 1)
    looks = [one for one in verdicts if one.time in places and clear_at(one, places[one.time])]
    return Swap(stranger.kind, jump, True, len(looks), len(places), shown_frames(frames, verdicts, places))


def person_in(
    clip: SeenClip, before: Sequence[Detections], people: Mapping[PersonId, Mapping[str, Vectors]],
    networks: Mapping[str, Embedder],
) -> Box | None:  # fmt: skip
    """Return where the person is in the last of some frames, if clear."""
    last = replayed(SeenClip(clip.name, list(before), clip.embedded), people, networks, 0, 1)[-1]
    return next((track.box for track in last.tracks if track.clear), None)


def nearest_face(frame: Detections, box: Box) -> int:
    """Return the place of the face nearest to a box."""
    return min(range(len(frame.faces)), key=lambda each: apart(frame.faces[each].box, box))


def beside(box: Box, share: float) -> Box:
    """Return a box moved to the right by a share of its width."""
    return Box(box.x1 + share * box.width, box.y1, box.x2 + share * box.width, box.y2)


def with_face(frame: Detections, place: int, face: FaceDetection, box: Box) -> Detections:
    """Return a frame with another face in one place, brought to a box."""
    scale = box.width / face.box.width
    points = (np.array(face.landmarks).reshape(5, 2) - face.box[:2]) * scale + box[:2]
    new = msgspec.structs.replace(face, box=box, landmarks=tuple(float(each) for each in points.ravel()))
    return with_faces(frame, [*frame.faces[:place], new, *frame.faces[place + 1 :]])


def with_faces(frame: Detections, faces: Sequence[FaceDetection]) -> Detections:
    """Return a frame with other faces."""
    return msgspec.structs.replace(frame, faces=tuple(faces))


def apart(one: Box, other: Box) -> float:
    """Return how far two boxes' centres are from one another, pixels."""
    return float(np.hypot(one.centre[0] - other.centre[0], one.centre[1] - other.centre[1]))


def clear_at(verdict: Verdict, box: Box) -> bool:
    """Return whether the face at a place is taken for somebody enrolled."""
    nearest = min(verdict.tracks, key=lambda track: apart(track.box, box), default=None)
    return nearest is not None and nearest.clear


def shown_frames(frames: Sequence[Detections], verdicts: Sequence[Verdict], places: Mapping[MediaTime, Box]) -> int:
    """Return how many frames leave with the stranger's face under no mask."""
    timeline, waiting, shown = Timeline(), list(verdicts), 0
    for frame in frames:
        while waiting and waiting[0].time <= frame.time + AHEAD_S:
            timeline.add(waiting.pop(0))
        box = places.get(frame.time)
        plan = timeline.plan(frame.time)
        if box is None or plan.disposition is Disposition.FULL_MOSAIC:
            continue
        x, y = box.centre
        covers = [region.bounds for region in plan.regions]
        shown += not any(one.x1 <= x <= one.x2 and one.y1 <= y <= one.y2 for one in covers)
    return shown


def summary(swaps: Sequence[Swap]) -> dict[str, Any]:
    """Return plain numbers."""
    counted = [one for one in swaps if one.was_clear]
    return {
        "swaps": len(counted),
        "kinds": dict(Counter(one.kind for one in counted)),
        "person was not clear": len(swaps) - len(counted),
        "frames": sum(one.frames for one in counted),
        "frames that left with a stranger's face clear": sum(one.shown for one in counted),
        "samples that took the stranger for the person": {
            str(count): number for count, number in sorted(Counter(one.looks_clear for one in counted).items())
        },
        "holds": len(counted) >= 150 and not any(one.shown for one in counted),
    }


if __name__ == "__main__":
    main()
