"""Behaviour of every embedder, and dlib's own numbers as the reference of the rebuilt network."""

import importlib.metadata
import math
from pathlib import Path

import dlib
import numpy as np
import pytest
from skimage import data

from mosaicast.adapters.embedders import Embedder, Face, dlib_resnet, dlib_weights
from mosaicast.adapters.embedders.arcface import ArcFace
from mosaicast.adapters.embedders.dlib_resnet import DlibResnet
from mosaicast.adapters.embedders.facenet import FacenetCasia
from mosaicast.adapters.models import profile_of
from mosaicast.adapters.models.errors import InferenceError, ModelBrokenError
from mosaicast.adapters.models.openvino_runtime import CompiledModel
from mosaicast.imaging.types import Landmarks
from tests.fakes.embedder import FakeEmbedder

ASTRONAUT = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
WEIGHTS = profile_of("dlib-resnet").path
PACKAGE = Path(str(importlib.metadata.distribution("face_recognition_models").locate_file("face_recognition_models")))
EYES_NOSE_MOUTH = (202.1, 100.4, 249.5, 102.9, 224.5, 123.1, 202.4, 141.7, 243.4, 144.5)


@pytest.fixture(scope="module")
def resnet() -> DlibResnet:
    return DlibResnet()


@pytest.fixture(scope="module")
def facenet() -> FacenetCasia:
    return FacenetCasia()


@pytest.fixture(scope="module")
def fake() -> FakeEmbedder:
    def lit_from(face: Face) -> tuple[float, float]:
        """Tell a picture from its mirror image: which half is the lighter one."""
        middle = max(1, face.picture.shape[1] // 2)
        left, right = float(face.picture[:, :middle].mean()), float(face.picture[:, -middle:].mean())
        return left - right, 10.0

    return FakeEmbedder(lit_from)


@pytest.fixture(scope="module")
def mobilefacenet_512() -> ArcFace:
    return ArcFace(profile_of("mobilefacenet-512"))


@pytest.fixture(scope="module")
def mobilefacenet_192() -> ArcFace:
    return ArcFace(profile_of("mobilefacenet-192"))


@pytest.fixture(params=["resnet", "facenet", "mobilefacenet_512", "mobilefacenet_192", "fake"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    found: Embedder = request.getfixturevalue(request.param)
    return found


def test_no_face_gives_no_vector(embedder: Embedder) -> None:
    vectors = embedder.embed([]).vectors
    assert vectors.shape == (0, embedder.dimension)
    assert vectors.dtype == np.float32


def test_vectors_have_length_one_and_do_not_depend_on_the_batch(embedder: Embedder) -> None:
    face = Face(ASTRONAUT, EYES_NOSE_MOUTH)
    other = Face(np.ascontiguousarray(ASTRONAUT[:, ::-1]), EYES_NOSE_MOUTH)
    vectors = embedder.embed([face, other, face]).vectors
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert vectors[0] @ vectors[1] < 0.99
    np.testing.assert_array_equal(embedder.embed([other]).vectors[0], vectors[1])


@pytest.mark.parametrize("network", ["resnet", "facenet", "mobilefacenet_512", "mobilefacenet_192"])
def test_size_and_turn_of_the_picture_hardly_matter(network: str, request: pytest.FixtureRequest) -> None:
    embedder: Embedder = request.getfixturevalue(network)
    large = np.repeat(np.repeat(ASTRONAUT, 3, axis=0), 3, axis=1)
    turned = np.ascontiguousarray(np.rot90(ASTRONAUT))
    points = np.array(EYES_NOSE_MOUTH).reshape(5, 2)
    faces = [
        Face(ASTRONAUT, EYES_NOSE_MOUTH),
        Face(large, tuple((points * 3 + 1).ravel())),
        Face(turned, tuple(np.stack([points[:, 1], 511 - points[:, 0]], 1).ravel())),
    ]
    vectors = embedder.embed(faces).vectors
    assert (vectors @ vectors[0] > 0.98).all()


@pytest.mark.parametrize("landmarks", [(7.0,) * 10, (math.nan,) * 10, (math.inf,) * 10])
def test_landmarks_without_a_face_give_the_zero_vector(embedder: Embedder, landmarks: Landmarks) -> None:
    vectors = embedder.embed([Face(ASTRONAUT, landmarks), Face(ASTRONAUT, EYES_NOSE_MOUTH)]).vectors
    assert not vectors[0].any()
    assert vectors[1].any()


def test_the_length_of_a_raw_vector_goes_with_it_and_is_none_where_there_is_no_face(embedder: Embedder) -> None:
    face, none = Face(ASTRONAUT, EYES_NOSE_MOUTH), Face(ASTRONAUT, (7.0,) * 10)
    found = embedder.embed([none, face, face])
    assert found.lengths.shape == (3,)
    assert found.lengths.dtype == np.float32
    assert found.lengths[0] == 0.0
    assert found.lengths[1] == found.lengths[2] > 0.0
    assert embedder.embed([]).lengths.shape == (0,)


def test_the_raw_vector_is_the_one_of_length_one_times_its_length(
    resnet: DlibResnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = np.zeros((1, 128), np.float32)
    raw[0, :2] = 3.0, 4.0
    monkeypatch.setattr(CompiledModel, "run", lambda _self, _value: [raw])
    found = resnet.embed([Face(ASTRONAUT, EYES_NOSE_MOUTH)])
    assert found.lengths.tolist() == [5.0]
    np.testing.assert_allclose(found.vectors * found.lengths[:, None], raw, atol=1e-6)
    assert raw[0, 0] == 3.0, "what the runtime gave is not written to"


def test_a_tiny_crop_is_embedded(embedder: Embedder) -> None:
    vectors = embedder.embed([Face(np.zeros((1, 1, 3), np.uint8), EYES_NOSE_MOUTH)]).vectors
    assert np.isfinite(vectors).all()


def test_name_and_version_can_travel(embedder: Embedder) -> None:
    assert embedder.name.replace("_", "").isalnum()
    assert embedder.version


def chips() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    face = dlib_resnet.align(Face(ASTRONAUT, EYES_NOSE_MOUTH))
    assert face is not None
    corners = [(int(y), int(x)) for y, x in rng.integers(0, 512 - 150, (6, 2))]
    noise = rng.integers(0, 256, (150, 150, 3), dtype=np.uint8)
    return [face, noise, np.full_like(face, 255)] + [ASTRONAUT[y : y + 150, x : x + 150] for y, x in corners]


def test_vectors_are_those_of_dlib(resnet: DlibResnet) -> None:
    original = dlib.face_recognition_model_v1(str(WEIGHTS))
    for chip in chips():
        wanted = np.array(original.compute_face_descriptor(np.ascontiguousarray(chip[:, :, ::-1])))
        cosine = resnet.embed_chip(chip) @ wanted / np.linalg.norm(wanted)
        assert cosine > 0.999999


def test_our_alignment_agrees_with_dlibs_own(resnet: DlibResnet) -> None:
    base = PACKAGE / "models"
    predictor = dlib.shape_predictor(str(base / "shape_predictor_68_face_landmarks.dat"))
    rgb = np.ascontiguousarray(ASTRONAUT[:, :, ::-1])
    shape = predictor(rgb, dlib.get_frontal_face_detector()(rgb, 0)[0])
    chip = np.ascontiguousarray(dlib.get_face_chip(rgb, shape, size=150, padding=0.25)[:, :, ::-1])
    assert resnet.embed([Face(ASTRONAUT, EYES_NOSE_MOUTH)]).vectors[0] @ resnet.embed_chip(chip) > 0.98


@pytest.mark.parametrize("vector", [np.full((1, 128), np.nan), np.zeros((1, 128)), np.full((1, 128), np.inf)])
def test_numbers_that_mean_nothing_are_an_error(
    resnet: DlibResnet, monkeypatch: pytest.MonkeyPatch, vector: np.ndarray
) -> None:
    monkeypatch.setattr(CompiledModel, "run", lambda _self, _value: [vector])
    with pytest.raises(InferenceError):
        resnet.embed_chip(chips()[0])


def test_weights_read_with_their_shapes() -> None:
    weights = dlib_weights.parse(WEIGHTS.read_bytes())
    assert len(weights.convolutions) == 29
    assert weights.convolutions[0].filters.shape == (32, 3, 7, 7)
    assert weights.projection.shape == (256, 128)


@pytest.mark.parametrize("share", [0.0, 0.00001, 0.5, 0.9999])
def test_weights_that_are_not_whole_are_refused(share: float) -> None:
    data_ = WEIGHTS.read_bytes()
    with pytest.raises(ModelBrokenError):
        dlib_weights.parse(data_[: int(len(data_) * share)])


def test_another_network_is_refused() -> None:
    other = (PACKAGE / "models" / "mmod_human_face_detector.dat").read_bytes()
    with pytest.raises(ModelBrokenError):
        dlib_weights.parse(other)
