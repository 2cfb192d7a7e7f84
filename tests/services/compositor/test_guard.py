"""The output guard with real faces, painter and detector: what it trips on, and what it leaves alone."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
import pytest

from mosaicast.adapters.detectors import Detector
from mosaicast.adapters.detectors.centerface import CenterFace
from mosaicast.adapters.media import jpeg
from mosaicast.contracts.messages import MediaPacket, OutgoingFaces, OutgoingFrame, VerdictMessage
from mosaicast.core.consents import FOREVER_MS
from mosaicast.core.guard import GuardPolicy
from mosaicast.core.timeline import FramePlan
from mosaicast.core.types import Box, Disposition, Reason, Style
from mosaicast.pipeline import paint as painting
from services.compositor import engine
from services.compositor.engine import Engine
from services.compositor.guard import outgoing_size
from services.compositor.wire import OutgoingPicture, Tripped
from services.detector.outgoing import WIDTH, check_picture
from synthetic.cast import load_cast
from tests.services.compositor.media import packets, spec, verdicts
from tests.services.compositor.rig import Rig

RATE, SECONDS = 15, 6
ANSWER_S = 0.1
"""From a picture to its answer."""
SIZE_WH = (640, 360)
ANN, STRANGER = 0, 1

Said = Mapping[int, VerdictMessage]
Paint = Callable[[av.VideoFrame, FramePlan, Style], None]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return CenterFace(width_16x9=WIDTH)


def scene() -> np.ndarray:
    """Two portraits side by side, BGR."""
    people = load_cast()
    picture = np.full((SIZE_WH[1], SIZE_WH[0], 3), 90, np.uint8)
    for left, name in ((0, "astronaut"), (320, "admiral")):
        photo = people[name].photo
        shrink = min(320 / photo.shape[1], SIZE_WH[1] / photo.shape[0])
        small = cv2.resize(photo, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        picture[: small.shape[0], left : left + small.shape[1]] = small
    return picture


@pytest.fixture(scope="module")
def faces(detector: Detector) -> list[Box]:
    """Where the two are, from left to right."""
    boxes = sorted(face.box for face in detector.detect([scene()], 0.5)[0])
    assert len(boxes) == 2
    return boxes


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> list[MediaPacket]:
    path = tmp_path_factory.mktemp("clips") / "two.flv"
    picture = scene()
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *SIZE_WH, "yuv420p"
        stream.options = {"bf": "0", "g": "15", "preset": "ultrafast", "crf": "20"}
        for number in range(RATE * SECONDS):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, -(number // 30), axis=0), format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return packets(path)


class Guarded(Rig):
    """An engine whose pictures the detector answers a moment later."""

    def __init__(self, detector: Detector | None, looks_per_s: float = 2.0) -> None:
        super().__init__()
        self.engine = Engine(self._open, lambda: self.wall_ms, looks_per_s)
        self.detector = detector
        self.pictures: list[OutgoingPicture] = []
        self.trips: list[tuple[float, Tripped]] = []
        self._answers: list[tuple[float, OutgoingFaces]] = []

    def step(self) -> None:
        while self._answers and self._answers[0][0] <= self.now:
            self.engine.on_faces(self._answers.pop(0)[1], self.now)
        super().step()
        self.trips += [(self.now, trip) for trip in self.engine.guard.take_trips()]
        for picture in self.engine.guard.take_pictures():
            self.pictures.append(picture)
            if self.detector is not None:
                answer = check_picture(self.detector, outgoing(picture))
                assert isinstance(answer, OutgoingFaces)
                self._answers.append((self.now + ANSWER_S, answer))

    def show(self, media: list[MediaPacket], said: Said, visible: Mapping[str, int] | None = None) -> "Guarded":
        self.engine.on_spec(spec(visible_until=dict(visible or {})))
        self.play(media, dict(said))
        self.drain(1.5)
        return self

    def reasons(self) -> set[str]:
        return {outcome.reason for outcome in self.outcomes}


def outgoing(picture: OutgoingPicture) -> OutgoingFrame:
    return OutgoingFrame(
        stream_id="st-1", epoch=picture.epoch, index=picture.index, width=picture.width, height=picture.height,
        threshold=picture.threshold, jpeg=picture.jpeg, sent_ms=1,
    )  # fmt: skip


def with_ann(said: Said) -> dict[int, VerdictMessage]:
    """Have the left one recognised."""
    ann = {"clear": True, "reason": Reason.ENROLLED, "person_id": "ann"}
    return {
        pts: _changed(one, tracks=(_changed(one.tracks[ANN], **ann), *one.tracks[STRANGER:]))
        for pts, one in said.items()
    }


def without(said: Said, which: int) -> dict[int, VerdictMessage]:
    """Have a track forgotten by whoever followed it."""
    return {
        pts: _changed(one, tracks=tuple(track for track in one.tracks if track.track_id != which))
        for pts, one in said.items()
    }


def _changed(message: Any, **changes: object) -> Any:
    return type(message)(**{name: getattr(message, name) for name in message.__struct_fields__} | changes)


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Paint], None]:
    """Put a bug in the painter's place."""
    return lambda paint: monkeypatch.setattr(engine, "paint", paint)


def paints_nothing(frame: av.VideoFrame, plan: FramePlan, style: Style) -> None:
    if plan.disposition is Disposition.FULL_MOSAIC:
        painting.paint(frame, plan, style)


def forgets_the_last(frame: av.VideoFrame, plan: FramePlan, style: Style) -> None:
    painting.paint(frame, FramePlan(plan.disposition, plan.regions[:-1], plan.full_reason), style)


def boxes_of(plan: FramePlan) -> list[Box]:
    return [region.bounds for region in plan.regions]


def paints_beside(frame: av.VideoFrame, plan: FramePlan, style: Style) -> None:
    beside = tuple(Box(box.x1 + 0.8 * box.width, box.y1, box.x2 + 0.8 * box.width, box.y2) for box in boxes_of(plan))
    painting.paint(frame, FramePlan(plan.disposition, beside, plan.full_reason), style)


def paints_a_corner(frame: av.VideoFrame, plan: FramePlan, style: Style) -> None:
    corners = tuple(Box(box.x1, box.y1, *box.centre) for box in boxes_of(plan))
    painting.paint(frame, FramePlan(plan.disposition, corners, plan.full_reason), style)


@pytest.mark.parametrize("bug", [paints_nothing, forgets_the_last, paints_beside, paints_a_corner])
def test_a_bug_in_the_painter_trips_full_mosaic(
    detector: Detector, media: list[MediaPacket], faces: list[Box], planted: Callable[..., Any], bug: Paint
) -> None:
    planted(bug)
    rig = Guarded(detector).show(media, verdicts(media, *faces))
    _, trip = rig.trips[0]
    assert trip.score > GuardPolicy().least_score
    left, top, width, height = trip.box_xywh
    assert any(left < x < left + width and top < y < top + height for x, y in (face.centre for face in faces))
    covered = [outcome for outcome in rig.outcomes if outcome.reason == "guard"]
    assert len(covered) >= GuardPolicy().hold_s * RATE - 1
    assert {outcome.disposition for outcome in covered} == {Disposition.FULL_MOSAIC}
    bare = [outcome for outcome in rig.outcomes if outcome.disposition is Disposition.MASKED]
    assert len(bare) < len(rig.outcomes) / 3, "each time it shows for one picture and its answer only"


def test_the_user_is_told_while_it_lasts(
    detector: Detector, media: list[MediaPacket], faces: list[Box], planted: Callable[..., Any]
) -> None:
    planted(paints_nothing)
    rig = Guarded(detector)
    notes: list[str] = []
    step = rig.step

    def noted() -> None:
        step()
        notes.append(rig.engine.note)

    rig.step = noted  # type: ignore[method-assign]
    rig.show(media, verdicts(media, *faces))
    assert notes[0] == ""
    assert any("without a mask" in note for note in notes)


@pytest.mark.parametrize("style", Style)
def test_masks_trip_nothing(
    detector: Detector, media: list[MediaPacket], faces: list[Box], style: Style, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "paint", lambda frame, plan, _: painting.paint(frame, plan, style))
    rig = Guarded(detector).show(media, verdicts(media, *faces))
    assert len(rig.pictures) >= 2 * (SECONDS - 1) - 1
    assert rig.trips == []
    assert "guard" not in rig.reasons()
    assert rig.engine.note == ""


def test_a_face_that_nobody_followed_trips(detector: Detector, media: list[MediaPacket], faces: list[Box]) -> None:
    rig = Guarded(detector).show(media, without(verdicts(media, *faces), STRANGER))
    assert rig.trips
    assert rig.trips[0][1].box_xywh[0] == pytest.approx(faces[STRANGER].x1, abs=20)


def test_who_earned_it_trips_nothing(detector: Detector, media: list[MediaPacket], faces: list[Box]) -> None:
    rig = Guarded(detector).show(media, with_ann(verdicts(media, *faces)), {"ann": FOREVER_MS})
    seen = check_picture(detector, outgoing(rig.pictures[len(rig.pictures) // 2]))
    assert isinstance(seen, OutgoingFaces)
    assert [face.box.x1 < 320 for face in seen.faces] == [True], "she is seen, and the stranger is not"
    assert rig.trips == []


def test_a_stranger_beside_her_trips(detector: Detector, media: list[MediaPacket], faces: list[Box]) -> None:
    said = without(with_ann(verdicts(media, *faces)), STRANGER)
    rig = Guarded(detector).show(media, said, {"ann": FOREVER_MS})
    assert rig.trips
    assert {trip.faces for _, trip in rig.trips} == {1}


def test_a_painter_that_shows_whose_consent_ended_trips(
    detector: Detector, media: list[MediaPacket], faces: list[Box], planted: Callable[..., Any]
) -> None:
    planted(paints_nothing)
    rig = Guarded(detector).show(media, with_ann(verdicts(media, *faces[:1])), {"ann": 0})
    assert rig.trips


def test_a_guard_that_is_never_answered_changes_nothing(
    media: list[MediaPacket], faces: list[Box], planted: Callable[..., Any]
) -> None:
    silent = Guarded(None).show(media, verdicts(media, *faces))
    off = Guarded(None, looks_per_s=0.0).show(media, verdicts(media, *faces))
    assert silent.pictures
    assert off.pictures == []
    assert silent.outcomes == off.outcomes
    for one, other in zip(silent.frames, off.frames, strict=True):
        assert np.array_equal(one.luma, other.luma)


def test_an_outgoing_picture_is_the_picture_as_it_left(media: list[MediaPacket], faces: list[Box]) -> None:
    rig = Guarded(None).show(media, verdicts(media, *faces))
    picture = rig.pictures[0]
    place = next(n for n, outcome in enumerate(rig.outcomes) if outcome.index == picture.index)
    assert rig.outcomes[place].disposition is Disposition.MASKED
    pictured = cv2.cvtColor(jpeg.decode(picture.jpeg), cv2.COLOR_BGR2GRAY).astype(int)
    assert np.abs(pictured - rig.frames[place].luma.astype(int)).mean() < 3


def test_full_mosaic_needs_no_check(media: list[MediaPacket]) -> None:
    rig = Guarded(None).show(media, {})
    assert rig.frames
    assert rig.pictures == []


@pytest.mark.parametrize(
    ("size_wh", "outgoing_wh"),
    [((1280, 720), (640, 360)), ((640, 360), (640, 360)), ((320, 180), (320, 180)), ((720, 1280), (360, 640)),
     ((3840, 2160), (640, 360)), ((16384, 2), (16384, 2)), ((2, 2), (2, 2))],
)  # fmt: skip
def test_an_outgoing_picture_has_the_shape_of_the_frame(size_wh: tuple[int, int], outgoing_wh: tuple[int, int]) -> None:
    assert outgoing_size(*size_wh) == outgoing_wh
