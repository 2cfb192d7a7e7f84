"""From frames to detections: source pixels, crops that map back, and no answer instead of a wrong one."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import pytest
from skimage import data

from mosaicast.adapters.detectors import make_detector
from mosaicast.adapters.media import jpeg
from mosaicast.contracts.codec import decode, encode
from mosaicast.contracts.messages import Detections, SampledFrame
from mosaicast.contracts.topics import DETECTIONS
from mosaicast.imaging.types import Picture
from mosaicast.pipeline.ports import Reduction
from services.detector.analysis import MOST_CROPS, Failure, analyse, threads
from services.detector.waiting import Job


def one(detector: object, frame: SampledFrame, *, crops: bool = True) -> Detections | Failure:
    return analyse(detector, [Job(frame, crops)])[0]  # type: ignore[arg-type]


def answered(detector: object, frame: SampledFrame, *, crops: bool = True) -> Detections:
    answer = one(detector, frame, crops=crops)
    assert isinstance(answer, Detections)
    return answer


@pytest.fixture
def big(make_frame: Callable[..., SampledFrame], jpeg_of: Callable[[np.ndarray], bytes]) -> Callable[..., SampledFrame]:
    """A 2560x1440 source, sent as JPEG of 1280x720: blue is x / 8, green y / 8 in pixels of the JPEG."""
    picture = np.zeros((720, 1280, 3), np.uint8)
    picture[:, :, 0], picture[:, :, 1] = np.arange(1280) // 8, np.arange(720)[:, None] // 8
    coded = jpeg_of(picture)

    def make(seq: int = 0, **changes: object) -> SampledFrame:
        return make_frame(seq, **{"width": 2560, "height": 1440, "jpeg": coded, **changes})

    return make


def test_no_jobs_no_answers_and_the_model_is_not_asked(fake_detector: Callable[..., Any]) -> None:
    detector = fake_detector()
    assert analyse(detector, []) == []
    assert detector.batches == []


def test_nobody_is_an_empty_answer_with_the_frames_own_numbers(
    fake_detector: Callable[..., Any], make_frame: Callable[..., Any]
) -> None:
    frame = make_frame(7, scene_cut=True, stream_id="x", epoch=3, read_ms=99)
    answer = answered(fake_detector(), frame)
    assert answer.faces == ()
    for field in ("stream_id", "epoch", "seq", "pts", "time_base", "width", "height", "scene_cut", "fingerprint",
                  "read_ms"):  # fmt: skip
        assert getattr(answer, field) == getattr(frame, field)
    assert answer.model == "fake"


def test_the_model_sees_the_reduced_picture_and_boxes_are_in_source_pixels(
    fake_detector: Callable[..., Any], make_face: Callable[..., Any], big: Callable[..., Any]
) -> None:
    detector = fake_detector([make_face(100, 50, 130, 90, 0.75)])
    face = answered(detector, big()).faces[0]
    assert detector.batches == [[(360, 640, 3)]]
    assert face.box == (400, 200, 520, 360)
    assert face.landmarks == (400, 200, 520, 200, 460, 280, 400, 360, 520, 360)
    assert face.score == 0.75


@pytest.mark.parametrize("size", [40, 150])
def test_a_crop_shows_its_part_of_the_source(
    fake_detector: Callable[..., Any], make_face: Callable[..., Any], big: Callable[..., Any], size: int
) -> None:
    face = answered(fake_detector([make_face(300, 100, 300 + size, 100 + size)]), big()).faces[0]
    assert face.crop is not None
    assert face.sharpness > 0
    crop = jpeg.decode(face.crop.jpeg)
    assert crop.shape[0] == crop.shape[1] <= 160
    middle = crop.shape[0] // 2
    source = (face.crop.origin_x + middle / face.crop.scale, face.crop.origin_y + middle / face.crop.scale)
    np.testing.assert_allclose(source, face.box.centre, atol=6)
    np.testing.assert_allclose(crop[middle, middle, :2] * 16.0, source, atol=40)


@pytest.mark.parametrize("size_wh", [(1280, 1440), (2560, 480)], ids=["pressed together", "pressed flat"])
@pytest.mark.parametrize("size", [40, 150])
def test_where_pixels_are_not_square_places_and_crops_are_still_the_sources(
    fake_detector: Callable[..., Any],
    make_face: Callable[..., Any],
    big: Callable[..., Any],
    size: int,
    size_wh: tuple[int, int],
) -> None:
    """The JPEG has the shape that viewers see, and the detector looks at that."""
    detector = fake_detector([make_face(300, 100, 300 + size, 100 + size)])
    width, height = size_wh
    face = answered(detector, big(width=width, height=height)).faces[0]
    across, down = width / 640, height / 360
    assert face.box == pytest.approx((300 * across, 100 * down, (300 + size) * across, (100 + size) * down))
    assert face.crop is not None
    crop = jpeg.decode(face.crop.jpeg)
    x, y = crop.shape[1] // 2, crop.shape[0] // 2
    source = face.crop.origin_x + x / face.crop.scale, face.crop.origin_y + y / face.crop.scale
    np.testing.assert_allclose(source, face.box.centre, atol=8)
    in_jpeg = source[0] * 1280 / width, source[1] * 720 / height
    np.testing.assert_allclose(crop[y, x, :2] * 8.0, in_jpeg, atol=20)


def test_a_crop_of_a_small_face_comes_from_the_whole_picture(
    fake_detector: Callable[..., Any], make_face: Callable[..., Any], big: Callable[..., Any]
) -> None:
    face = answered(fake_detector([make_face(300, 100, 330, 130)]), big()).faces[0]
    assert face.crop is not None
    assert face.crop.scale == 0.5  # as the JPEG; the reduced picture has 0.25
    assert jpeg.size_wh(face.crop.jpeg) == (96, 96)


def test_without_crops_wanted_only_faces_that_need_no_decoding_have_one(
    fake_detector: Callable[..., Any],
    make_face: Callable[..., Any],
    big: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reductions: list[int] = []
    original = jpeg.decode

    def decode(data: bytes, reduction: Reduction = 1) -> Picture:
        reductions.append(reduction)
        return original(data, reduction)

    monkeypatch.setattr(jpeg, "decode", decode)
    detector = fake_detector([make_face(10, 10, 40, 40), make_face(200, 100, 320, 220)])
    assert [face.crop is not None for face in answered(detector, big(), crops=False).faces] == [False, True]
    assert reductions == [2]
    assert [face.crop is not None for face in answered(detector, big(), crops=True).faces] == [True, True]
    assert reductions == [2, 2, 1]


def test_a_picture_that_is_not_reduced_has_crops_always(
    fake_detector: Callable[..., Any],
    make_face: Callable[..., Any],
    make_frame: Callable[..., Any],
    jpeg_of: Callable[..., Any],
) -> None:
    frame = make_frame(width=200, height=100, jpeg=jpeg_of(np.zeros((100, 200, 3), np.uint8)))
    assert answered(fake_detector([make_face(10, 10, 50, 50)]), frame, crops=False).faces[0].crop is not None


def test_small_faces_have_no_crop_and_of_many_only_the_largest(
    fake_detector: Callable[..., Any], make_face: Callable[..., Any], big: Callable[..., Any]
) -> None:
    faces = [make_face(20 * i, 0, 20 * i + 9 + i, 9 + i) for i in range(MOST_CROPS + 3)]
    answer = answered(fake_detector([make_face(5, 5, 12, 40), *faces]), big())
    assert [face.crop is None for face in answer.faces] == [True] * 4 + [False] * MOST_CROPS


def test_a_face_over_the_edge_is_kept_as_it_is(
    fake_detector: Callable[..., Any], make_face: Callable[..., Any], big: Callable[..., Any]
) -> None:
    face = answered(fake_detector([make_face(-20, -30, 20, 30)]), big()).faces[0]
    assert face.box == (-80, -120, 80, 120)
    assert face.crop is not None
    assert face.crop.origin_x < -80


def test_the_answer_survives_the_bus(
    fake_detector: Callable[..., Any], make_face: Callable[..., Any], big: Callable[..., Any]
) -> None:
    answer = answered(fake_detector([make_face(1, 2, 60, 70, 1.0), make_face(9, 9, 12, 12)]), big())
    assert decode(DETECTIONS, encode(DETECTIONS, answer)) == answer


def test_each_stream_has_its_own_threshold(
    fake_detector: Callable[..., Any], make_face: Callable[..., Any], make_frame: Callable[..., Any]
) -> None:
    detector = fake_detector([make_face(1, 1, 5, 5, score) for score in (0.9, 0.4, 0.2)])
    thresholds = (0.3, 0.15, 0.5)
    jobs = [Job(make_frame(n, detection_threshold=threshold), True) for n, threshold in enumerate(thresholds)]
    answers = analyse(detector, jobs)
    assert [len(answer.faces) for answer in answers if isinstance(answer, Detections)] == [2, 3, 1]
    assert detector.thresholds == [0.15]


@pytest.mark.parametrize("garbage", [b"x", b"\xff\xd8", b"\x89PNG nonsense"])
def test_a_picture_that_does_not_decode_has_no_answer_and_harms_no_other(
    fake_detector: Callable[..., Any], make_frame: Callable[..., Any], garbage: bytes
) -> None:
    jobs = [Job(make_frame(0), True), Job(make_frame(1, jpeg=garbage), True), Job(make_frame(2), True)]
    answers = analyse(fake_detector(), jobs)
    assert [type(answer) for answer in answers] == [Detections, Failure, Detections]
    assert answers[1].reason == "bad_picture"  # type: ignore[union-attr]
    assert [answer.seq for answer in answers if isinstance(answer, Detections)] == [0, 2]


def test_a_header_that_asks_for_gigabytes_is_refused_unread(
    fake_detector: Callable[..., Any], make_frame: Callable[..., Any]
) -> None:
    whole = bytearray(make_frame().jpeg)
    at = whole.index(b"\xff\xc0")
    whole[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    answer = one(fake_detector(), make_frame(jpeg=bytes(whole)))
    assert isinstance(answer, Failure)
    assert "65535x65535" in answer.detail


def test_a_failing_model_gives_no_answer_never_nobody(
    fake_detector: Callable[..., Any], make_frame: Callable[..., Any], jpeg_of: Callable[..., Any]
) -> None:
    broken = jpeg_of(np.full((36, 64, 3), 13, np.uint8))
    jobs = [Job(make_frame(0), True), Job(make_frame(1, jpeg=broken), True), Job(make_frame(2), True)]
    answers = analyse(fake_detector(), jobs)
    assert [type(answer) for answer in answers] == [Detections, Failure, Detections]
    assert answers[1] == Failure("model", "told to fail")


@pytest.mark.parametrize("box", [(float("nan"), 0, 5, 5), (5, 5, 5, 9), (9, 9, 5, 5), (0, 0, float("inf"), 5)], ids=str)
def test_a_box_that_means_nothing_is_no_answer(
    fake_detector: Callable[..., Any],
    make_face: Callable[..., Any],
    make_frame: Callable[..., Any],
    box: tuple[float, ...],
) -> None:
    answer = one(fake_detector([make_face(1, 1, 9, 9), make_face(*box)]), make_frame())
    assert isinstance(answer, Failure)
    assert answer.reason == "model"


def test_more_faces_than_a_message_holds_is_no_answer(
    fake_detector: Callable[..., Any], make_face: Callable[..., Any], make_frame: Callable[..., Any]
) -> None:
    answer = one(fake_detector([make_face(1, 1, 3, 3)] * 2001), make_frame())
    assert isinstance(answer, Failure)
    assert answer.reason == "too_many"


def test_the_real_detector_finds_the_astronaut_in_a_broadcast(
    make_frame: Callable[..., Any], jpeg_of: Callable[..., Any]
) -> None:
    picture = np.full((720, 1280, 3), 60, np.uint8)
    photo = cv2.resize(data.astronaut()[:, :, ::-1], (600, 600), interpolation=cv2.INTER_AREA)
    picture[60:660, 500:1100] = photo
    frame = make_frame(width=1920, height=1080, jpeg=jpeg_of(picture))
    faces = answered(make_detector("centerface"), frame).faces
    assert len(faces) == 1
    # The face is at (179, 62) to (271, 178) of the photo's 512 px; 600 / 512 * 1.5 = 1.758.
    np.testing.assert_allclose(faces[0].box, (1065, 199, 1226, 403), atol=25)
    assert faces[0].crop is not None


def test_whoever_has_a_clock_may_time_the_parts(
    make_frame: Callable[..., Any], fake_detector: Callable[..., Any]
) -> None:
    done: list[str] = []

    @contextmanager
    def timed(activity: str) -> Iterator[None]:
        yield
        done.append(activity)

    analyse(fake_detector(), [Job(make_frame(0), True)], timed)
    assert done == ["decode", "network", "crop"]


def test_several_threads_read_and_write_jpegs_at_once(
    make_frame: Callable[..., SampledFrame],
    fake_detector: Callable[..., Any],
    make_face: Callable[..., Any],
    jpeg_of: Callable[[np.ndarray], bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of two waits until the other one is at it too."""
    together = threading.Barrier(2, timeout=30)

    def beside(work: Callable[..., Any]) -> Callable[..., Any]:
        def wait(*arguments: Any) -> Any:
            together.wait()
            return work(*arguments)

        return wait

    for name in ("decode", "encode"):
        monkeypatch.setattr(jpeg, name, beside(getattr(jpeg, name)))
    picture = jpeg_of(np.full((360, 640, 3), 128, np.uint8))
    jobs = [Job(make_frame(0, stream_id=name, width=640, height=360, jpeg=picture), crops=True) for name in "ab"]
    with threads(2) as over:
        answers = analyse(fake_detector([make_face(10, 10, 130, 130)]), jobs, over=over)
    assert [answer.stream_id for answer in answers if isinstance(answer, Detections)] == ["a", "b"]


def test_one_thread_is_the_callers_own() -> None:
    with threads(1) as over:
        assert over is map
