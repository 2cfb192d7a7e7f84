"""ArcFace-style files: small networks made here, and an operator's real one against OpenCV's run of it."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from skimage import data

from mosaicast.adapters.embedders import Face, make_embedder
from mosaicast.adapters.embedders.arcface import ArcFace
from mosaicast.adapters.models import NetworkProfile, load, profile_of
from mosaicast.adapters.models.errors import ModelBrokenError, ModelUnavailableError

ASTRONAUT = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
EYES_NOSE_MOUTH = (202.1, 100.4, 249.5, 102.9, 224.5, 123.1, 202.4, 141.7, 243.4, 144.5)
TEMPLATE = (38.2946, 51.6963, 73.5318, 51.5014, 56.0252, 71.7366, 41.5493, 92.3655, 70.7299, 92.2041)


def network(
    shape: tuple[int | str, ...] = ("n", 3, 112, 112), outputs: int = 1, kind: int = TensorProto.FLOAT
) -> bytes:
    """A network whose vector is its input, averaged over 16 x 16 pixels: one can see what it was shown."""
    channels_last = shape[-1] == 3
    picture = helper.make_tensor_value_info("picture", kind, shape)
    nodes = [helper.make_node("Transpose", ["picture"], ["t"], perm=[0, 3, 1, 2] if channels_last else [0, 1, 2, 3])]
    nodes.append(helper.make_node("AveragePool", ["t"], ["pooled"], kernel_shape=[16, 16], strides=[16, 16]))
    names = [f"vector{number}" for number in range(outputs)]
    nodes += [helper.make_node("Flatten", ["pooled"], [name], axis=1) for name in names]
    infos = [helper.make_tensor_value_info(name, kind, ["n", None]) for name in names]
    graph = helper.make_graph(nodes, "small", [picture], infos)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


Make = Callable[[bytes], ArcFace]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def from_bytes(content: bytes) -> ArcFace:
        (tmp_path / "arcface.onnx").write_bytes(content)
        return ArcFace(profile_of("arcface", tmp_path))

    return from_bytes


def shown(vector: np.ndarray) -> np.ndarray:
    """Undo what the small network did, up to its length: [7, 7, 3] RGB."""
    return vector.reshape(3, 7, 7).transpose(1, 2, 0)


@pytest.mark.parametrize("shape", [("n", 3, 112, 112), (1, 3, 112, 112), ("n", 3, "h", "w"), ("n", 112, 112, 3)])
def test_it_is_shown_the_aligned_face_in_rgb(make: Make, shape: tuple[int | str, ...]) -> None:
    embedder = make(network(shape))
    assert embedder.dimension == 147
    chip = np.random.default_rng(1).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    wanted = (chip[:, :, ::-1].reshape(7, 16, 7, 16, 3).mean(axis=(1, 3)) - 127.5) / 127.5
    got = shown(embedder.embed([Face(chip, TEMPLATE)]).vectors[0])
    np.testing.assert_allclose(got, wanted / np.linalg.norm(wanted), atol=1e-3)


def written_for(count: int, *, mixing: bool = False) -> bytes:
    """The small network as somebody wrote it who always had so many faces, as TensorFlow Lite has it."""
    shape = (count, 112, 112, 3)
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)
    rows = [1, count * 147] if mixing else [count, 147]
    sides = helper.make_tensor("sides", TensorProto.INT64, [2], rows)
    nodes = [
        helper.make_node("Transpose", ["picture"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["t"], ["pooled"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Reshape", ["pooled", "sides"], ["vector"]),
    ]
    info = helper.make_tensor_value_info("vector", TensorProto.FLOAT, rows)
    graph = helper.make_graph(nodes, "small", [picture], [info], [sides])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


def test_a_network_that_was_written_for_two_faces_takes_one(make: Make) -> None:
    face = Face(ASTRONAUT, EYES_NOSE_MOUTH)
    found, wanted = make(written_for(2)).embed([face]), make(network()).embed([face])
    np.testing.assert_allclose(found.vectors, wanted.vectors, atol=1e-6)
    np.testing.assert_allclose(found.lengths, wanted.lengths, rtol=1e-6)


def test_a_network_that_makes_one_vector_of_two_faces_is_refused(make: Make) -> None:
    with pytest.raises(ModelBrokenError, match="another network"):
        make(written_for(2, mixing=True))


def test_turned_faces_are_set_upright(make: Make) -> None:
    embedder = make(network())
    points = np.array(EYES_NOSE_MOUTH).reshape(5, 2)
    turned = Face(
        np.ascontiguousarray(np.rot90(ASTRONAUT)), tuple(np.stack([points[:, 1], 511 - points[:, 0]], 1).ravel())
    )
    upright, same = embedder.embed([Face(ASTRONAUT, EYES_NOSE_MOUTH), turned]).vectors
    assert upright @ same > 0.999


def test_landmarks_without_a_face_give_the_zero_vector(make: Make) -> None:
    vectors = make(network()).embed([Face(ASTRONAUT, (7.0,) * 10), Face(ASTRONAUT, EYES_NOSE_MOUTH)]).vectors
    assert not vectors[0].any()
    assert np.linalg.norm(vectors[1]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no graph",
        network()[:100],
        network((1, 3, 96, 112)),
        network((1, 4, 112, 112)),
        network(outputs=2),
        network(kind=TensorProto.DOUBLE),
    ],
    ids=["empty", "text", "torn", "112x96", "four colours", "two outputs", "float64"],
)
def test_what_is_no_network_of_the_family_is_refused(make: Make, content: bytes) -> None:
    with pytest.raises(ModelBrokenError):
        make(content)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="put your ONNX file there"):
        ArcFace(profile_of("arcface", tmp_path))


def test_a_wrong_checksum_beside_it_refuses_to_start(make: Make, tmp_path: Path) -> None:
    (tmp_path / "arcface.onnx.sha256").write_text("0" * 64)
    with pytest.raises(ModelBrokenError, match="wrong checksum"):
        make(network())


def test_another_file_is_another_version(make: Make) -> None:
    first, second = network(), network((1, 3, 112, 112))
    assert make(first).version == f"{hashlib.sha256(first).hexdigest()[:12]}.1"
    assert make(first).version != make(second).version


def test_sface_is_shown_plain_pixels(tmp_path: Path) -> None:
    model = load().get("sface")
    assert (model.normalisation.mean, model.normalisation.scale, model.dimension) == (0.0, 1.0, 128)
    with pytest.raises(ModelUnavailableError, match="mosaicast models pull sface"):
        ArcFace(profile_of(model, tmp_path))


def test_a_dimension_that_the_list_names_is_held_against_the_file(tmp_path: Path) -> None:
    path = tmp_path / "sface.onnx"
    path.write_bytes(network())
    with pytest.raises(ModelBrokenError, match="another network"):
        ArcFace(NetworkProfile(load().get("sface"), (path,), ("0" * 64,)))


@pytest.mark.data
def test_an_operators_file_gives_opencvs_vectors(tmp_path: Path) -> None:
    source = Path(os.environ.get("MOSAICAST_DATA", "")) / "weights" / "edgeface_xs_dequant_fp32.onnx"
    if "MOSAICAST_DATA" not in os.environ or not source.is_file():
        pytest.skip("MOSAICAST_DATA names no folder with weights/edgeface_xs_dequant_fp32.onnx")
    shutil.copy(source, tmp_path / "arcface.onnx")
    embedder = make_embedder("arcface", models_dir=tmp_path)
    assert isinstance(embedder, ArcFace)
    assert embedder.dimension == 512
    net = cv2.dnn.readNetFromONNX(str(source))
    noise = np.random.default_rng(3).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    chip = embedder.align(Face(ASTRONAUT, EYES_NOSE_MOUTH))
    assert chip is not None
    for picture in (chip, noise, np.ascontiguousarray(ASTRONAUT[100:212, 100:212])):
        net.setInput(cv2.dnn.blobFromImage(picture, 1 / 127.5, mean=(127.5,) * 3, swapRB=True))
        wanted = net.forward()[0]
        assert embedder.embed_chip(picture) @ wanted / np.linalg.norm(wanted) > 0.9999
    mirrored = np.ascontiguousarray(chip[:, ::-1])
    assert embedder.embed_chip(chip) @ embedder.embed_chip(mirrored) > 0.7
    assert embedder.embed_chip(chip) @ embedder.embed_chip(noise) < 0.3


def test_the_small_network_is_a_right_onnx_file() -> None:
    onnx.checker.check_model(onnx.load_from_string(network()), full_check=True)
