"""The two MobileFaceNets: what they are shown, whose numbers they give, and whether they tell people apart."""

from pathlib import Path

import cv2
import numpy as np
import openvino as ov
import pytest
from matplotlib import cbook
from skimage import data

from mosaicast.adapters.detectors import make_detector
from mosaicast.adapters.embedders import Face
from mosaicast.adapters.embedders.arcface import ArcFace
from mosaicast.adapters.models import NetworkProfile, load, profile_of
from mosaicast.adapters.models.errors import ModelBrokenError
from mosaicast.imaging.types import Picture
from synthetic.pictures import known_picture
from tests.adapters.johns import tells_them_apart

ASTRONAUT = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
EYES_NOSE_MOUTH = (202.1, 100.4, 249.5, 102.9, 224.5, 123.1, 202.4, 141.7, 243.4, 144.5)
NAMES = ["mobilefacenet-512", "mobilefacenet-192"]


@pytest.fixture(scope="module", params=NAMES)
def embedder(request: pytest.FixtureRequest) -> ArcFace:
    return ArcFace(profile_of(request.param), "f32")


def chip(embedder: ArcFace) -> Picture:
    found = embedder.align(Face(ASTRONAUT, EYES_NOSE_MOUTH))
    assert found is not None
    return found


def faces_in(*pictures: Picture) -> list[Face]:
    found = make_detector("centerface").detect(pictures, 0.5)
    return [
        Face(picture, max(faces, key=lambda face: face.box.area).landmarks)
        for picture, faces in zip(pictures, found, strict=True)
    ]


def test_vectors_and_lengths_of_the_512_are_those_of_opencv() -> None:
    """Another library, shown what the package's own code shows it: RGB, (x - 127) / 128, colours first."""
    embedder, net = ArcFace(profile_of("mobilefacenet-512"), "f32"), cv2.dnn.readNetFromONNX(_file("mobilefacenet-512"))
    noise = np.random.default_rng(3).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    for picture in (chip(embedder), noise, ASTRONAUT[200:312, 100:212], np.full((112, 112, 3), 255, np.uint8)):
        net.setInput(cv2.dnn.blobFromImage(picture, 1 / 128, mean=(127.0,) * 3, swapRB=True))
        _assert_same(embedder, picture, net.forward()[0])


def test_vectors_and_lengths_of_the_192_are_those_of_the_file_as_it_is_asked_for_two_faces() -> None:
    """Shown what the package's own code shows it: two faces, RGB, (x - 127.5) / 128, colours last."""
    embedder, core = ArcFace(profile_of("mobilefacenet-192"), "f32"), ov.Core()
    whole = core.compile_model(core.read_model(_file("mobilefacenet-192")), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    noise = np.random.default_rng(3).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    shown = [chip(embedder), noise]
    blob = (np.stack(shown)[..., ::-1].astype(np.float32) - 127.5) / 128.0
    for picture, wanted in zip(shown, whole(blob)[0], strict=True):
        _assert_same(embedder, picture, wanted)


def _file(name: str) -> str:
    return str(profile_of(name).path)


def _assert_same(embedder: ArcFace, picture: Picture, wanted: np.ndarray) -> None:
    found = embedder._run([picture])
    length = np.linalg.norm(wanted)
    assert found.vectors[0] @ wanted / length > 0.9999
    assert found.lengths[0] == pytest.approx(length, rel=1e-3)


def test_another_picture_of_a_person_is_more_alike_than_another_person(embedder: ArcFace) -> None:
    hopper = known_picture(Path(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))))
    small = cv2.resize(ASTRONAUT, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    dark = cv2.convertScaleAbs(small, alpha=0.6)
    vectors = embedder.embed(faces_in(ASTRONAUT, np.ascontiguousarray(small[:, ::-1]), dark, hopper)).vectors
    own, strangers = vectors[1:3] @ vectors[0], vectors[:3] @ vectors[3]
    assert own.min() > load().get(embedder.name).matching.floor > strangers.max() + 0.2


def test_what_is_no_face_has_a_vector_too_short_to_count(embedder: ArcFace) -> None:
    """The length is how much of a face the network saw; a place without one, at landmarks like a face's, has little."""
    shown = [ASTRONAUT, np.ascontiguousarray(ASTRONAUT[::-1]), np.ascontiguousarray(ASTRONAUT[:, ::-1])]
    clear, *others = embedder.embed([Face(picture, EYES_NOSE_MOUTH) for picture in shown]).lengths
    quality = embedder.quality
    assert quality.votes_from is not None
    assert quality.clear_from is not None
    assert clear > quality.clear_from > quality.votes_from > max(others)


def test_f32_and_what_this_cpu_has_give_the_same_faces(embedder: ArcFace) -> None:
    """Templates may be made on a machine without bf16 and looks on one with it, or the other way round."""
    here = ArcFace(profile_of(embedder.name))
    shown = [Face(ASTRONAUT, EYES_NOSE_MOUTH), *faces_in(ASTRONAUT, np.ascontiguousarray(ASTRONAUT[:, ::-1]))]
    found, wanted = here.embed(shown), embedder.embed(shown)
    assert (found.vectors * wanted.vectors).sum(axis=1).min() > 0.999
    np.testing.assert_allclose(found.lengths, wanted.lengths, rtol=0.02)
    assert here.version == embedder.version


@pytest.mark.data
def test_five_johns_are_told_apart(embedder: ArcFace) -> None:
    tells_them_apart(embedder, lambda pictures: faces_in(*pictures))


@pytest.mark.parametrize(("name", "other"), [NAMES, NAMES[::-1]])
def test_the_other_ones_file_is_refused(name: str, other: str) -> None:
    with pytest.raises(ModelBrokenError, match="another network"):
        ArcFace(NetworkProfile(load().get(name), profile_of(other).paths, ("0" * 64,)))


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_not_whole_is_refused(name: str, tmp_path: Path) -> None:
    whole = profile_of(name).path
    torn = tmp_path / whole.name
    torn.write_bytes(whole.read_bytes()[:1_000_000])
    with pytest.raises(ModelBrokenError):
        ArcFace(NetworkProfile(load().get(name), (torn,), ("0" * 64,)))
