"""What only the ultralytics adapter does: which files it reads, which classes are faces, landmarks."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

if importlib.util.find_spec("ultralytics") is None:
    pytest.skip("needs the extra gpu", allow_module_level=True)

from mosaicast.adapters.detectors import make_detector
from mosaicast.adapters.detectors.ultralytics_yolo import (
    UltralyticsYolo,
    _face_classes,
    estimated_landmarks,
    import_library,
)
from mosaicast.adapters.models.errors import InferenceError, ModelBrokenError, ModelUnavailableError
from mosaicast.core.types import Box

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained detector of one class, as ultralytics saves it."""
    yolo, tasks = import_library()
    model = yolo("yolov8n.yaml")
    model.model = tasks.DetectionModel("yolov8n.yaml", nc=1, verbose=False)
    model.model.names = {0: "face"}
    path = tmp_path_factory.mktemp("weights") / "untrained.pt"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def detector(weights: Path) -> UltralyticsYolo:
    made = make_detector("ultralytics", weights=weights, device="cpu")
    assert isinstance(made, UltralyticsYolo)
    return made


@pytest.fixture
def found(detector: UltralyticsYolo, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the network will have found in each picture: rows of x1, y1, x2, y2, score, class."""
    from ultralytics.engine.results import Results

    answers: list[Any] = []

    def predict(pictures: list[np.ndarray], **_: object) -> list[Results]:
        return [
            Results(picture, path="", names={0: "face"}, boxes=rows, keypoints=keypoints)
            for picture, (rows, keypoints) in zip(pictures, answers, strict=True)
        ]

    monkeypatch.setattr(detector._model, "predict", predict)
    return answers


def rows(*values: list[float]) -> Any:
    import torch

    return torch.tensor(list(values)).reshape(-1, 6)


def test_an_untrained_network_runs_on_odd_pictures(detector: UltralyticsYolo) -> None:
    shapes = [(64, 96, 3), (0, 0, 3), (1, 1), (40, 40, 4), (5, 300, 1)]
    answers = detector.detect([np.zeros(shape, np.uint8) for shape in shapes], 0.9)
    assert answers == [[]] * len(shapes)
    assert detector.detect([], 0.5) == []
    assert detector.detect([np.zeros((0, 5, 3), np.uint8)], 0.5) == [[]]


def test_faces_come_best_first_with_estimated_landmarks(detector: UltralyticsYolo, found: list[Any]) -> None:
    found.append((rows([10, 20, 50, 70, 0.4, 0], [100, 100, 160, 180, 0.9, 0]), None))
    faces = detector.detect([np.zeros((0, 0, 3), np.uint8), np.zeros((300, 300, 3), np.uint8)], 0.2)
    assert faces[0] == []
    assert [face.score for face in faces[1]] == [pytest.approx(0.9), pytest.approx(0.4)]
    assert faces[1][1].box == (10, 20, 50, 70)
    assert faces[1][1].landmarks == estimated_landmarks(Box(10, 20, 50, 70))


def test_five_keypoints_are_the_landmarks(detector: UltralyticsYolo, found: list[Any]) -> None:
    import torch

    points = torch.arange(10, dtype=torch.float32).reshape(1, 5, 2) + 1
    found.append((rows([0, 0, 50, 50, 0.4, 0]), points))
    assert detector.detect([np.zeros((99, 99, 3), np.uint8)], 0.2)[0][0].landmarks == tuple(range(1, 11))


def test_other_keypoints_are_not(detector: UltralyticsYolo, found: list[Any]) -> None:
    import torch

    found.append((rows([0, 0, 50, 50, 0.4, 0]), torch.ones(1, 17, 2)))
    assert detector.detect([np.zeros((99, 99, 3), np.uint8)], 0.2)[0][0].landmarks == estimated_landmarks(
        Box(0, 0, 50, 50)
    )


def test_a_box_that_is_no_number_is_an_error(detector: UltralyticsYolo, found: list[Any]) -> None:
    found.append((rows([float("nan"), 0, 50, 50, 0.4, 0]), None))
    with pytest.raises(InferenceError):
        detector.detect([np.zeros((99, 99, 3), np.uint8)], 0.2)


def test_a_failing_library_is_an_error_not_nobody(detector: UltralyticsYolo, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(detector._model, "predict", fail)
    with pytest.raises(InferenceError):
        detector.detect([np.zeros((9, 9, 3), np.uint8)], 0.2)


@pytest.mark.parametrize("path", [None, Path("no/such/file.pt")])
def test_a_missing_file_says_which_setting(path: Path | None) -> None:
    with pytest.raises(ModelUnavailableError, match="MOSAICAST_DETECTOR__WEIGHTS"):
        make_detector("ultralytics", weights=path, device="cpu")


@pytest.mark.parametrize("name", ["broken.pt", "model.onnx"])
def test_a_file_that_is_no_detector_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(ModelBrokenError):
        make_detector("ultralytics", weights=tmp_path / name, device="cpu")


class Bomb:
    """Its pickle runs a command."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.mkdir, (str(self.mark),)


def test_a_file_that_would_run_code_does_not(tmp_path: Path) -> None:
    import torch

    torch.save({"model": Bomb(tmp_path / "mark")}, tmp_path / "bomb.pt")
    with pytest.raises(ModelBrokenError):
        make_detector("ultralytics", weights=tmp_path / "bomb.pt", device="cpu")
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("names", "classes"),
    [({0: "anything"}, [0]), ({0: "person", 1: "Face"}, [1]), ({0: "face", 1: "face_mask", 2: "car"}, [0, 1])],
)
def test_faces_are_told_by_the_class_names(names: dict[int, str], classes: list[int]) -> None:
    assert _face_classes(names) == classes


@pytest.mark.parametrize("names", [None, {}, {0: "person", 1: "car"}])
def test_a_detector_of_other_things_is_refused(names: object) -> None:
    with pytest.raises(ModelBrokenError):
        _face_classes(names)


def test_the_library_leaves_the_reading_of_pictures_alone(detector: UltralyticsYolo) -> None:
    assert Image.open.__module__ == "PIL.Image"
