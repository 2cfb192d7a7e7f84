"""One behaviour suite for every detector, on photographs that ship inside packages."""

from collections.abc import Callable
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from mosaicast.adapters.detectors import Detector, RawFace, make_detector
from mosaicast.adapters.models.errors import ModelUnavailableError
from mosaicast.core.types import Box
from synthetic.pictures import known_picture
from tests.fakes.detector import FakeDetector, raw_face

ASTRONAUT = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
ASTRONAUT_FACE = Box(178, 62, 272, 179)
HOPPER = known_picture(Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg")
HOPPER_FACE = Box(172, 120, 357, 340)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def _mtcnn() -> Detector:
    pytest.importorskip("facenet_pytorch", reason="needs the extra gpu")
    return make_detector("mtcnn", device="cpu")


def photographs(picture: NDArray[np.uint8]) -> list[RawFace]:
    """Know the two photographs, in colours or in grey, each at a place of this suite: the eyes of the fake."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    faces = []
    for photo, box, score in ((ASTRONAUT, ASTRONAUT_FACE, 0.9), (HOPPER, HOPPER_FACE, 0.8)):
        height, width = photo.shape[:2]
        for x in (0, 512):
            part = grey[:height, x : x + width]
            if part.shape == (height, width) and np.array_equal(part, cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY)):
                faces.append(raw_face(Box(box.x1 + x, box.y1, box.x2 + x, box.y2), score))
    return faces


def _centerface_torch() -> Detector:
    pytest.importorskip("torch", reason="needs the extra gpu")
    from mosaicast.adapters.detectors.centerface_torch import CenterFaceTorch

    return CenterFaceTorch(device="cpu")


MAKERS: dict[str, Callable[[], Detector]] = {
    "centerface": lambda: make_detector("centerface"),
    "centerface_torch": _centerface_torch,
    "mtcnn": _mtcnn,
}
"""The networks of the product."""
FAKES: dict[str, Callable[[], Detector]] = {"fake": lambda: FakeDetector(photographs)}
"""What tests put in their place: it must keep to the port as they do."""


@pytest.fixture(scope="module", params=sorted(MAKERS))
def network(request: pytest.FixtureRequest) -> Detector:
    return MAKERS[request.param]()


@pytest.fixture(scope="module", params=sorted(MAKERS | FAKES))
def detector(request: pytest.FixtureRequest) -> Detector:
    return (MAKERS | FAKES)[request.param]()


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    inner = Box(max(a.x1, b.x1), max(a.y1, b.y1), min(a.x2, b.x2), min(a.y2, b.y2))
    shared = inner.area if inner.width > 0 and inner.height > 0 else 0.0
    return shared / (a.area + b.area - shared)


def assert_is_face(face: RawFace, box: Box) -> None:
    assert overlap(face.box, box) > 0.5
    eye_l, eye_r, nose, mouth_l, mouth_r = np.array(face.landmarks).reshape(5, 2)
    assert eye_l[0] < eye_r[0]
    assert mouth_l[0] < mouth_r[0]
    assert max(eye_l[1], eye_r[1]) < nose[1] < min(mouth_l[1], mouth_r[1])
    for x, y in (eye_l, eye_r, nose, mouth_l, mouth_r):
        assert face.box.x1 < x < face.box.x2
        assert face.box.y1 < y < face.box.y2


def test_the_name_can_travel(detector: Detector) -> None:
    assert detector.name.isalnum()


@pytest.mark.parametrize("size_wh", [(1280, 720), (600, 800), (40, 30)])
def test_a_picture_of_the_input_size_is_enough(detector: Detector, size_wh: tuple[int, int]) -> None:
    width, height = detector.input_size(*size_wh)
    assert width / height == pytest.approx(size_wh[0] / size_wh[1], rel=0.02)


def test_an_empty_batch_has_no_answer(detector: Detector) -> None:
    assert detector.detect([], 0.5) == []


def test_each_picture_gets_its_own_answer_in_its_own_pixels(detector: Detector) -> None:
    nobody = np.full((360, 640, 3), 128, np.uint8)
    astronaut, none, hopper, again = detector.detect([ASTRONAUT, nobody, HOPPER, ASTRONAUT], 0.6)
    assert none == []
    assert_is_face(astronaut[0], ASTRONAUT_FACE)
    assert_is_face(hopper[0], HOPPER_FACE)
    np.testing.assert_allclose(astronaut[0].box, again[0].box, atol=0.5)


def test_the_best_comes_first_and_scores_are_shares(detector: Detector) -> None:
    both = np.zeros((600, 1100, 3), np.uint8)
    both[:512, :512], both[:, 512:1024] = ASTRONAUT, HOPPER
    faces = detector.detect([both], 0.2)[0]
    assert len(faces) >= 2
    scores = [face.score for face in faces]
    assert scores == sorted(scores, reverse=True)
    assert all(0.2 <= score <= 1.0 for score in scores)


def test_a_higher_threshold_gives_a_part_of_the_faces(detector: Detector) -> None:
    few, many = (detector.detect([HOPPER], threshold)[0] for threshold in (0.6, 0.2))
    assert 1 <= len(few) <= len(many)
    assert all(face.score >= 0.6 for face in few)
    assert detector.detect([HOPPER], 1.01) == [[]]


@pytest.mark.parametrize("shape", [(512, 512), (512, 512, 1), (512, 512, 4)])
def test_grey_and_alpha_are_understood(detector: Detector, shape: tuple[int, ...]) -> None:
    grey = cv2.cvtColor(ASTRONAUT, cv2.COLOR_BGR2GRAY)
    picture = np.dstack([grey] * shape[2]) if len(shape) == 3 else grey
    faces = detector.detect([picture.reshape(shape)], 0.5)[0]
    assert_is_face(faces[0], ASTRONAUT_FACE)


@pytest.mark.parametrize(
    "shape", [(0, 0, 3), (0, 9, 3), (1, 1, 3), (1, 1), (2, 2000, 3), (2000, 2, 3), (36, 64, 3), (31, 33, 3)]
)
@pytest.mark.parametrize("value", [0, 255])
def test_odd_pictures_show_nobody_and_raise_nothing(detector: Detector, shape: tuple[int, ...], value: int) -> None:
    assert detector.detect([np.full(shape, value, np.uint8)], 0.5) == [[]]


def test_a_huge_picture_gives_boxes_in_its_own_pixels(network: Detector) -> None:
    huge = cv2.resize(ASTRONAUT, (4096, 4096))
    assert_is_face(network.detect([huge], 0.5)[0][0], Box(*(number * 8 for number in ASTRONAUT_FACE)))


@pytest.mark.parametrize("size_wh", [(1280, 720), (854, 480), (640, 360), (608, 1080), (720, 720), (2560, 800)])
def test_a_small_face_is_found_in_every_shape_of_picture(network: Detector, size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    small = cv2.resize(ASTRONAUT[20:230, 120:330], (72, 72), interpolation=cv2.INTER_AREA)
    picture = np.full((height, width, 3), 90, np.uint8)
    x, y = width * 2 // 3, height // 3
    picture[y : y + 72, x : x + 72] = small
    truth = Box(*(number * 72 / 210 for number in (58, 42, 152, 159)))
    boxes = [face.box for face in network.detect([picture], 0.2)[0]]
    wanted = Box(truth.x1 + x, truth.y1 + y, truth.x2 + x, truth.y2 + y)
    assert any(overlap(box, wanted) > 0.5 for box in boxes)


def test_a_face_at_the_edge_is_found_and_may_reach_over_it(network: Detector) -> None:
    faces = network.detect([np.ascontiguousarray(ASTRONAUT[:, 205:])], 0.2)[0]
    assert faces
    assert faces[0].box.x1 < 15


def test_noise_raises_nothing_and_every_box_shares_pixels(detector: Detector) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (270, 480, 3), dtype=np.uint8)
    for face in detector.detect([noise], 0.01 if detector.name == "centerface" else 0.2)[0]:
        assert face.box.x1 < face.box.x2
        assert face.box.y1 < face.box.y2
        assert face.box.x1 < 480
        assert face.box.y1 < 270
        assert face.box.x2 > 0
        assert face.box.y2 > 0
        assert np.isfinite(face.landmarks).all()


@pytest.mark.parametrize("model", ["centerface", "mtcnn"])
def test_cuda_without_cuda_is_refused(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason="needs the extra gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelUnavailableError, match="CUDA"):
        make_detector(model, device="cuda")  # type: ignore[arg-type]
