"""What the output guard sees, at what cost: `python -m bench.guard CLIP... [--enroll CLIP=FOLDER] [--sheets FOLDER]`.

Runs each clip through the product's own parts in media time, as `bench.replay` does, and lets the guard look at what
comes out, several times a second so that a short clip tells more, each look on its own. Frames with a mask are also
looked at as a painter would leave them that paints nothing: so often would one look see such a bug. What trips, and
what nearly does, is written to the sheets, to be looked at by eye.
"""

import argparse
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import cv2

from bench.replay import planned
from bench.replay_parts import MemoryGallery, read_clip, recognise
from mosaicast.adapters.detectors.centerface import CenterFace
from mosaicast.contracts.messages import OutgoingFaces, OutgoingFrame
from mosaicast.core.guard import Explanation, GuardPolicy, Luma, SeenFace, clear_boxes, unexplained
from mosaicast.core.timeline import FramePlan, Timeline
from mosaicast.core.types import Box, Disposition, MediaTime, PersonId, Style, Verdict
from mosaicast.pipeline.paint import paint, to_yuv420
from services.compositor.guard import OutputGuard, pictured
from services.detector.outgoing import WIDTH, check_picture

EVERY_S = 0.2
NEARLY = GuardPolicy(least_score=0.3)
"""Bare faces of this score and more are told too: how far the score that trips is from what is seen daily."""
POLICY = GuardPolicy()
LARGE_PX = 40.0
"""Shorter side of a mask; it is about half as wide again as the face."""


@dataclass(slots=True)
class Found:
    """What was seen in one clip."""

    looks: int = 0
    trips: int = 0
    best: Counter[str] = field(default_factory=Counter)
    """Looks that saw a bare face, by its score to a tenth."""
    masked_looks: int = 0
    """Looks at frames with a mask of `LARGE_PX` or more."""
    planted_trips: int = 0
    """Those of them that trip when nothing is painted."""
    child_s: float = 0.0
    detector_s: float = 0.0

    def summary(self) -> dict[str, Any]:
        """Return plain numbers."""
        return {
            "looks": self.looks,
            "trips": self.trips,
            "looks_by_best_bare_score": dict(sorted(self.best.items())),
            "masked_looks": self.masked_looks,
            "planted_trips": self.planted_trips,
            "child_ms": round(1000 * self.child_s / max(1, self.looks), 2),
            "detector_ms": round(1000 * self.detector_s / max(1, self.looks), 2),
        }


class Replay:
    """Verdicts and consents around a clip's frames."""

    def __init__(self, verdicts: list[Verdict], gallery: MemoryGallery) -> None:
        self._visible = {PersonId(person.person_id) for person in gallery.people}
        self._timeline = Timeline()
        for verdict in verdicts:
            self._timeline.add(verdict)

    def clear(self, at: MediaTime) -> tuple[Box, ...]:
        """Return where people are who may be seen."""
        bracket = self._timeline.bracket(at)
        return clear_boxes(*bracket, at, self._visible) if bracket else ()


class OutgoingCheck:
    """One frame before and after it is painted."""

    def __init__(self, detector: CenterFace, frame: av.VideoFrame, before: Luma, clear: tuple[Box, ...]) -> None:
        self._detector, self._frame, self._before, self._clear = detector, frame, before, clear
        self.child_s = self.detector_s = 0.0

    def bare(self) -> list[SeenFace]:
        """Return the faces that nothing explains in the frame as it is now."""
        started = time.process_time()
        jpeg, by = pictured(self._frame, self._before, self._clear)
        self.child_s += time.process_time() - started
        faces = self._faces(jpeg, by)
        started = time.process_time()
        bare = unexplained(faces, by, NEARLY)
        self.child_s += time.process_time() - started
        return list(bare)

    def _faces(self, jpeg: bytes, by: Explanation) -> list[SeenFace]:
        outgoing = OutgoingFrame(
            stream_id="clip", epoch=1, index=0, width=by.size_wh[0], height=by.size_wh[1],
            threshold=NEARLY.least_score, jpeg=jpeg, sent_ms=0,
        )  # fmt: skip
        started = time.process_time()
        answer = check_picture(self._detector, outgoing)
        self.detector_s += time.process_time() - started
        assert isinstance(answer, OutgoingFaces)
        return [SeenFace(face.box, face.score) for face in answer.faces]


def looked_at(path: Path, gallery: MemoryGallery, detector: CenterFace, sheets: Path | None) -> Found:
    """Run one clip and return what was seen."""
    clip = read_clip(path)
    verdicts = recognise(clip, gallery)
    replay, found, next_s = Replay(verdicts, gallery), Found(), 0.0
    for number, (decoded, at, plan) in enumerate(planned(clip, verdicts)):
        if plan.disposition is Disposition.FULL_MOSAIC or float(at) < next_s:
            continue
        next_s = float(at) + EVERY_S
        frame = to_yuv420(decoded)
        before = OutputGuard(1.0).begin(frame, plan, 0.0)
        assert before is not None
        if _large(plan):
            planted = OutgoingCheck(detector, frame, before, replay.clear(at)).bare()
            found.masked_looks += 1
            found.planted_trips += bool(_trips(planted))
        paint(frame, plan, Style.MOSAIC)
        look = OutgoingCheck(detector, frame, before, replay.clear(at))
        bare = look.bare()
        found.looks += 1
        found.child_s, found.detector_s = found.child_s + look.child_s, found.detector_s + look.detector_s
        if bare:
            found.trips += bool(_trips(bare))
            found.best[f"{int(10 * max(face.score for face in bare)) / 10}"] += 1
            _draw(sheets, f"{path.stem}.{number}", frame, bare)
    return found


def _large(plan: FramePlan) -> bool:
    return any(min(region.bounds.width, region.bounds.height) >= LARGE_PX for region in plan.regions)


def _trips(bare: list[SeenFace]) -> list[SeenFace]:
    return [face for face in bare if face.score >= POLICY.least_score]


def _draw(sheets: Path | None, name: str, frame: av.VideoFrame, bare: list[SeenFace]) -> None:
    if sheets is None:
        return
    picture = frame.to_ndarray(format="bgr24")
    for face in bare:
        x1, y1, x2, y2 = (int(side) for side in face.box)
        cv2.rectangle(picture, (x1, y1), (x2, y2), (0, 0, 255), 2)
        cv2.putText(picture, f"{face.score:.2f}", (x1, y1 - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 255, 255), 2)
    kind = "trip" if _trips(bare) else "nearly"
    sheets.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(sheets / f"{kind}.{name}.jpg"), picture)


def main() -> None:
    """Look at the clips and print a line of JSON for each, and one for all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument(
        "--enroll", action="append", default=[], metavar="CLIP=FOLDER", help="photos of who is in a clip"
    )
    parser.add_argument("--sheets", type=Path, help="write what trips, and what nearly does, here")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    detector = CenterFace(width_16x9=WIDTH)
    looks = trips = 0
    for path in arguments.clips:
        gallery = MemoryGallery()
        for clip, _, folder in (text.partition("=") for text in arguments.enroll):
            if clip == path.stem:
                gallery.enroll(Path(folder))
        found = looked_at(path, gallery, detector, arguments.sheets)
        looks, trips = looks + found.looks, trips + found.trips
        print(json.dumps({"clip": path.name, **found.summary()}), flush=True)
    rate = round(600 * trips / max(1, looks), 2)
    print(json.dumps({"looks": looks, "trips": trips, "trips_in_10_min_of_1_look_a_second": rate}))


if __name__ == "__main__":
    main()
