"""Judges real clips: `python -m bench.replay CLIP... --judge YUNET.onnx [--enroll PHOTOS_FOLDER] [--sheets FOLDER]`.

Runs each clip through the product's own parts (sampling, detector, recognition, delay line) in media time instead of
real time, so that a busy machine changes nothing, and has a second, independent detector look at every source frame.
A face that the judge is sure of and that is neither covered by a mask nor the enrolled person's is a slip; frames with
slips are written to the sheets, to be looked at.
"""

import argparse
import json
import statistics
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from bench.networks import PAIR
from bench.replay_parts import Clip, Enrolled, MemoryGallery, Witness, read_clip, recognise
from bench.replay_templates import enroll_from
from mosaicast.adapters.media.packets import PacketDecoder
from mosaicast.adapters.media.pictures import thumbnail_of
from mosaicast.core.hindsight import look_back
from mosaicast.core.mask_policy import MaskPolicy
from mosaicast.core.masks import reach_edges
from mosaicast.core.sightings import Entry, Sighting
from mosaicast.core.timeline import FramePlan
from mosaicast.core.types import Box, Disposition, MediaTime, Style, TrackVerdict, Verdict
from mosaicast.pipeline.frames import JobFrames, Lost, Ready, Wanted
from mosaicast.pipeline.paint import paint, to_yuv420
from services.cli.calibration.boxes import overlap

SURE = 0.7
"""The judge's score. Below it its false alarms on clothes and signs outnumber the faces that ours misses."""
SMALLEST_PX = 20.0
COVERED = 0.9
"""Share of the judge's box that must lie under masks."""
SAME_FACE = 0.2
"""Intersection over union of the judge's box and a clear track's."""
VISIBLE_PX = (60.0, 40.0)
"""Enrolled people count as seen or not from this size on; each is a column."""
LOOKED_BACK = 40
"""Verdicts: more than trust reaches back."""
SHEET_FRAMES = 24


@dataclass(slots=True)
class Judgement:
    """What the judge saw in one clip."""

    frames: int = 0
    faces: int = 0
    covered: int = 0
    visible: int = 0
    """Faces that a clear track explains."""
    slips: Counter[int] = field(default_factory=Counter)
    """By frame number."""
    dispositions: Counter[str] = field(default_factory=Counter)
    painted: list[float] = field(default_factory=list)
    """Share of each frame under masks."""
    reasons: Counter[str] = field(default_factory=Counter)

    def take(
        self, number: int, frame: av.VideoFrame, plan: FramePlan, judge: "Judge", clear: Sequence[Box]
    ) -> list[Box]:
        """Have a source frame judged, and return the faces that slipped.

        Args:
            clear: where clear tracks are.
        """
        source = frame.to_ndarray(format="bgr24")
        mask = _mask(frame, plan)
        self.frames += 1
        self.dispositions[plan.disposition.value] += 1
        self.painted.append(float(mask.mean()))
        slipped = []
        for face in judge.faces(source):
            self.faces += 1
            if _share(mask, face) >= COVERED:
                self.covered += 1
            elif any(overlap(face, box) > SAME_FACE for box in clear):
                self.visible += 1
            else:
                slipped.append(face)
        self.slips.update({number: len(slipped)} if slipped else {})
        return slipped

    def summary(self) -> dict[str, Any]:
        """Return plain numbers."""
        return {
            "frames": self.frames,
            "judged_faces": self.faces,
            "covered": self.covered,
            "visible_enrolled": self.visible,
            "slipped": self.slips.total(),
            "slipped_frames": len(self.slips),
            "dispositions": dict(self.dispositions),
            "painted_median": round(statistics.median(self.painted), 4) if self.painted else 0.0,
            "track_reasons": dict(self.reasons),
        }


def main() -> None:
    """Judge the clips and print a line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--judge", type=Path, required=True, help="YuNet, face_detection_yunet_2023mar.onnx")
    parser.add_argument("--enroll", type=Path, action="append", default=[], help="a folder of one person's photos")
    parser.add_argument("--sheets", type=Path, help="write frames with slips, and a sample of all, here")
    parser.add_argument("--arcface", type=Path, help="recognise with this ONNX file instead of the packaged networks")
    parser.add_argument("--threshold", type=float, default=0.45, help="its cosine")
    parser.add_argument(
        "--networks", nargs="+", default=PAIR, metavar="NAME", help="packaged ones, the first one first"
    )
    parser.add_argument(
        "--templates-s", type=float, default=0.0, help="enroll with so many first seconds of the clip too (--witness)"
    )
    parser.add_argument("--witness", type=Path, help="an ArcFace-style ONNX file that says whose each track really is")
    parser.add_argument("--witness-threshold", type=float, default=0.4, help="its cosine")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    judge = Judge(arguments.judge)
    operator = (arguments.arcface, arguments.threshold) if arguments.arcface else None
    gallery = MemoryGallery(operator, tuple(arguments.networks))
    known = MemoryGallery((arguments.witness, arguments.witness_threshold)) if arguments.witness else None
    for folder in arguments.enroll:
        gallery.enroll(folder)
        if known:
            known.enroll(folder)
    for path in arguments.clips:
        witness = Witness(known) if known and arguments.enroll else None
        looks = enroll_from(read_clip(path), gallery, known, arguments.templates_s) if known else {}
        found = judged(path, judge, gallery, arguments.sheets, witness)
        print(json.dumps({"clip": path.name, "looks_enrolled": looks, **found}), flush=True)


class Judge:
    """A second opinion: YuNet by OpenCV."""

    def __init__(self, model: Path) -> None:
        self._net = cv2.FaceDetectorYN.create(str(model), "", (320, 320), SURE)

    def faces(self, picture: NDArray[np.uint8]) -> list[Box]:
        """Return the faces that it is sure of."""
        self._net.setInputSize((picture.shape[1], picture.shape[0]))
        found = self._net.detect(picture)[1]
        rows = [] if found is None else cast(Sequence[Sequence[float]], found.tolist())
        boxes = [Box(x, y, x + width, y + height) for x, y, width, height, *_ in rows]
        return [box for box in boxes if min(box.width, box.height) >= SMALLEST_PX]


def judged(
    path: Path, judge: Judge, gallery: MemoryGallery, sheets: Path | None, witness: Witness | None
) -> dict[str, Any]:
    """Run one clip and have it judged."""
    clip = read_clip(path)
    verdicts = recognise(clip, gallery, witness)
    known = in_hindsight(verdicts)
    result, sheet = Judgement(), Sheet(path.stem, sheets)
    for verdict in verdicts:
        result.reasons.update(track.reason.value for track in verdict.tracks)
    for number, (frame, time, plan) in enumerate(planned(clip, verdicts)):
        slipped = result.take(number, frame, plan, judge, _clear_boxes(known, time))
        sheet.add(number, frame, plan, slipped)
    sheet.write()
    return {**result.summary(), **_visibility(known, gallery.people, witness)}


def planned(clip: Clip, verdicts: Sequence[Verdict]) -> Iterator[tuple[av.VideoFrame, MediaTime, FramePlan]]:
    """Yield every frame with its plan, as a job makes it: all verdicts are known."""
    frames = JobFrames(1, PacketDecoder, thumbnail_of)
    frames.apply(Wanted(panic=False))
    waiting = deque(verdicts)
    for packet in clip.packets:
        if packet.end_of_epoch:
            yield from _ready(frames.finish(packet.unit))
        elif packet.track == "video":
            yield from _ready(frames.add_video(packet))
            while waiting and waiting[0].time <= packet.time + 1:
                yield from _ready(frames.add_verdict(waiting.popleft(), 0.0))


def _ready(results: Sequence[Ready | Lost]) -> Iterator[tuple[av.VideoFrame, MediaTime, FramePlan]]:
    return ((one.frame, one.time, one.plan) for one in results if isinstance(one, Ready))


def _clear_boxes(verdicts: Sequence[Verdict], time: MediaTime) -> list[Box]:
    """Return where clear tracks are at a time: in the looks around it."""
    near = [verdict for verdict in verdicts if abs(verdict.time - time) <= 0.25]
    return [track.box for verdict in near for track in verdict.tracks if track.clear]


def _mask(frame: av.VideoFrame, plan: FramePlan) -> NDArray[np.bool_]:
    """Return which pixels are painted, bool [H, W]."""
    mask = np.full((frame.height, frame.width), plan.disposition is Disposition.FULL_MOSAIC)
    for box in (region.bounds for region in reach_edges(plan.regions, frame.width, frame.height)):
        mask[max(0, int(box.y1)) : max(0, int(box.y2 + 1)), max(0, int(box.x1)) : max(0, int(box.x2 + 1))] = True
    return mask


def _share(mask: NDArray[np.bool_], box: Box) -> float:
    part = mask[max(0, int(box.y1)) : max(0, int(box.y2)), max(0, int(box.x1)) : max(0, int(box.x2))]
    return float(part.mean()) if part.size else 1.0


def _visibility(verdicts: Sequence[Verdict], people: Sequence[Enrolled], witness: Witness | None) -> Mapping[str, Any]:
    """Return how many looks each enrolled person was clear in, and which share of the looks at those tracks that is.

    The share counts every look from the first one of a track on, at faces from each size of `VISIBLE_PX` on. Without a
    witness, tracks that were never clear are in no share: whose they are is seen on the sheets.
    """
    whose = witness.whose() if witness else {}
    looks: dict[int, list[TrackVerdict]] = {}
    for verdict in verdicts:
        for track in verdict.tracks:
            looks.setdefault(track.track_id, []).append(track)
    found = {}
    for person in people:
        own = [
            seen
            for track_id, seen in looks.items()
            if whose.get(track_id) == person.person_id or any(track.person_id == person.person_id for track in seen)
        ]
        columns = {f"from_{size:.0f}_px": _seen(person.person_id, own, size) for size in VISIBLE_PX}
        found[person.person_id] = {"tracks": len(own), **columns}
    return {"looks": len(verdicts), "enrolled": found}


def in_hindsight(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return what is known when the frames leave: who is earned soon after has been that person."""
    policy, entries = MaskPolicy(), list[Entry]()
    for verdict in verdicts:
        at_s = float(verdict.time)
        told = {track.track_id: Sighting(at_s, track) for track in verdict.tracks}
        entries.append(Entry(verdict, at_s, told, dict(told)))
        look_back(entries[-LOOKED_BACK:], at_s, policy)
    return [replace(one.verdict, tracks=tuple(seen.track for seen in one.sightings.values())) for one in entries]


def _seen(person: str, tracks: Sequence[Sequence[TrackVerdict]], size_px: float) -> dict[str, float]:
    """Return at how many looks of a size a person was there, and in which share of them seen."""
    large = [one for track in tracks for one in track if min(one.box.width, one.box.height) >= size_px]
    clear = [one.person_id == person for one in large]
    return {"looks": len(clear), "visible": round(sum(clear) / len(clear), 4) if clear else 0.0}


class Sheet:
    """Pictures to look at: every frame with a slip (as it leaves, the judge's box drawn), and an even sample."""

    def __init__(self, name: str, folder: Path | None) -> None:
        self._name, self._folder = name, folder
        self._slips: list[NDArray[np.uint8]] = []
        self._sample: list[NDArray[np.uint8]] = []

    def add(self, number: int, frame: av.VideoFrame, plan: FramePlan, slipped: Sequence[Box]) -> None:
        """Keep a frame as it leaves, if it is to be looked at."""
        wanted = (number % 12 == 0) or (slipped and len(self._slips) < 10 * SHEET_FRAMES)
        if self._folder is None or not wanted:
            return
        masked: av.VideoFrame = to_yuv420(frame)
        paint(masked, plan, Style.MOSAIC)
        picture = masked.to_ndarray(format="bgr24")
        for box in slipped:
            cv2.rectangle(picture, (int(box.x1), int(box.y1)), (int(box.x2), int(box.y2)), (0, 0, 255), 2)
        cv2.putText(picture, str(number), (4, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (0, 255, 255), 2)
        small = cv2.resize(picture, (480, round(480 * picture.shape[0] / picture.shape[1])))
        (self._slips if slipped else self._sample).append(np.asarray(small, np.uint8))

    def write(self) -> None:
        """Write the sheets."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        for kind, pictures in (("slips", self._slips), ("sample", self._sample)):
            chosen = pictures[:: max(1, -(-len(pictures) // SHEET_FRAMES))]
            for page in range(0, len(chosen), 12):
                tiles = chosen[page : page + 12]
                tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 3)
                rows = [np.hstack(tiles[row : row + 3]) for row in range(0, len(tiles), 3)]
                cv2.imwrite(str(self._folder / f"{self._name}.{kind}.{page // 12}.png"), np.vstack(rows))


if __name__ == "__main__":
    main()
