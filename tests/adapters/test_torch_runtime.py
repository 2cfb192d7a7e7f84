"""Our graphs in torch, held against OpenVINO's run of the same: each operation, each network, in batches."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray
from openvino import opset13 as ops
from skimage import data

from mosaicast.adapters.detectors.centerface import CenterFace
from mosaicast.adapters.embedders import Face
from mosaicast.adapters.embedders.aligned import ChipEmbedder
from mosaicast.adapters.embedders.arcface import ArcFace
from mosaicast.adapters.embedders.dlib_resnet import DlibResnet
from mosaicast.adapters.embedders.facenet import FacenetCasia
from mosaicast.adapters.models import profile_of, torch_device
from mosaicast.adapters.models.agreement import LARGEST_PX, LEAST_COSINE, farthest_side_px, least_cosine
from mosaicast.adapters.models.errors import InferenceError, ModelBrokenError, ModelUnavailableError
from mosaicast.adapters.models.openvino_runtime import CompiledModel
from mosaicast.adapters.models.runtime import Runtime, on_cpu, on_torch
from mosaicast.core.types import Box
from mosaicast.imaging.types import Picture
from tests.adapters.test_arcface import network as small_network
from tests.fakes.detector import raw_face

torch = pytest.importorskip("torch", reason="needs the extra gpu")

ASTRONAUT = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
EYES_NOSE_MOUTH = (202.1, 100.4, 249.5, 102.9, 224.5, 123.1, 202.4, 141.7, 243.4, 144.5)

Node = Any
Build = Callable[[Node], Node]


def random_of(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)


def graph_of(build: Build, shape: tuple[int, ...] = (1, 6, 11, 9)) -> ov.Model:
    given = ops.parameter(list(shape), ov.Type.f32)
    return ov.Model([build(given)], [given], "one")


def both(graph: ov.Model, value: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what torch and what OpenVINO give."""
    from mosaicast.adapters.models.torch_runtime import TorchModel

    return TorchModel(graph, "cpu").run(value)[0], CompiledModel(ov.Core(), graph, "f32").run(value)[0]


def ints(*numbers: int) -> Node:
    return ops.constant(np.array(numbers, np.int64))


def scalar(number: int) -> Node:
    return ops.constant(np.int64(number))


OPERATIONS: dict[str, Build] = {
    "convolution": lambda x: ops.convolution(x, random_of(4, 6, 3, 3), [2, 1], [1, 0], [1, 0], [1, 2]),
    "convolution, uneven": lambda x: ops.convolution(x, random_of(4, 6, 3, 2), [1, 1], [0, 1], [2, 0], [1, 1]),
    "convolution, same upper": lambda x: ops.convolution(
        x, random_of(4, 6, 4, 3), [2, 2], [0, 0], [0, 0], [1, 1], "same_upper"
    ),
    "convolution, same lower": lambda x: ops.convolution(
        x, random_of(4, 6, 4, 3), [2, 2], [0, 0], [0, 0], [1, 1], "same_lower"
    ),
    "convolution, valid": lambda x: ops.convolution(x, random_of(4, 6, 4, 3), [2, 2], [0, 0], [0, 0], [1, 1], "valid"),
    "group convolution": lambda x: ops.group_convolution(x, random_of(3, 4, 2, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1]),
    "transposed convolution": lambda x: ops.convolution_backprop_data(
        x, random_of(6, 4, 4, 4), [2, 2], pads_begin=[1, 1], pads_end=[1, 1]
    ),
    "transposed group convolution": lambda x: ops.group_convolution_backprop_data(
        x, random_of(6, 1, 1, 4, 4), [2, 2], pads_begin=[1, 1], pads_end=[1, 1]
    ),
    "maximum of windows": lambda x: ops.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [3, 3]).output(0),
    "maximum of windows, edges": lambda x: ops.max_pool(x, [2, 2], [1, 1], [1, 0], [0, 1], [3, 3]).output(0),
    "maximum of windows, rounded up": lambda x: ops.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2], "ceil").output(
        0
    ),
    "mean of windows": lambda x: ops.avg_pool(x, [2, 2], [0, 0], [0, 0], [2, 2], exclude_pad=True),
    "mean of windows, edges left out": lambda x: ops.avg_pool(x, [1, 1], [1, 1], [1, 0], [3, 3], exclude_pad=True),
    "mean of windows, edges counted": lambda x: ops.avg_pool(x, [1, 1], [1, 1], [1, 0], [3, 3], exclude_pad=False),
    "pad": lambda x: ops.pad(x, ints(0, 0, 1, 0), ints(0, 2, 0, 3), "constant", ops.constant(np.float32(0.5))),
    "normalised batch": lambda x: ops.batch_norm_inference(
        x, random_of(6), random_of(6), random_of(6), np.abs(random_of(6)), 1e-3
    ),
    "prelu": lambda x: ops.prelu(x, ops.constant(random_of(6))),
    "clamp": lambda x: ops.clamp(x, -0.5, 0.5),
    "elu": lambda x: ops.elu(x, 0.7),
    "softmax": lambda x: ops.softmax(x, 1),
    "gelu": lambda x: ops.gelu(x, "erf"),
    "swish": ops.swish,
    "power": lambda x: ops.power(ops.absolute(x), ops.constant(np.float32(0.5))),
    "divide": lambda x: ops.divide(x, ops.constant(random_of(1, 6, 1, 1))),
    "mean over axes": lambda x: ops.reduce_mean(x, ints(2, 3), keep_dims=False),
    "product over axes": lambda x: ops.reduce_prod(x, ints(1, -1), keep_dims=True),
    "length over axes": lambda x: ops.reduce_l2(x, ints(1), keep_dims=True),
    "unit length": lambda x: ops.normalize_l2(x, ints(1), 1e-6, "max"),
    "whitened": lambda x: ops.mvn(x, ints(2, 3), True, 1e-6, "inside_sqrt"),
    "matrices": lambda x: ops.matmul(x, ops.constant(random_of(5, 9)), False, True),
    "reshape": lambda x: ops.reshape(x, ints(0, -1), special_zero=True),
    "reshape by its own shape": lambda x: ops.reshape(
        x,
        ops.concat([ops.gather(ops.shape_of(x), ints(0), ints(0)), ints(-1)], 0),
        special_zero=False,
    ),
    "squeeze": lambda x: ops.squeeze(ops.reduce_max(x, ints(3), keep_dims=True), ints(3)),
    "unsqueeze": lambda x: ops.unsqueeze(x, ints(1, -1)),
    "transpose": lambda x: ops.transpose(x, ints(0, 2, 3, 1)),
    "gather": lambda x: ops.gather(x, ints(2, 0, -1), ints(1)),
    "split": lambda x: ops.add(*ops.split(x, scalar(1), 2).outputs()),
    "uneven split": lambda x: ops.concat(ops.variadic_split(x, scalar(1), ints(2, -1)).outputs()[::-1], 1),
    "slice": lambda x: ops.slice(x, ints(1, 0), ints(5, 100), ints(2, 3), ints(1, 2)),
    "strided slice": lambda x: ops.strided_slice(
        x, ints(0, 1, 0), ints(0, 3, 5), ints(1, 1, 2), [1, 0, 0], [1, 0, 0], [], [0, 0, 0]
    ),
    "running sum": lambda x: ops.cum_sum(x, scalar(2)),
    "range": lambda x: ops.multiply(
        x, ops.range(scalar(0), ops.gather(ops.shape_of(x), scalar(3), scalar(0)), scalar(1), "f32")
    ),
    "sine and cosine": lambda x: ops.add(ops.sin(x), ops.cos(x)),
    "tile": lambda x: ops.tile(x, ints(1, 2, 1, 1)),
    "broadcast": lambda x: ops.broadcast(ops.reduce_sum(x, ints(1), keep_dims=True), ints(1, 6, 11, 9)),
    "convert": lambda x: ops.convert(ops.convert(x, "i32"), "f32"),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_gives_openvinos_numbers(name: str) -> None:
    found, wanted = both(graph_of(OPERATIONS[name]), random_of(1, 6, 11, 9) * 2)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_an_operation_that_is_not_known_is_named() -> None:
    with pytest.raises(ModelUnavailableError, match="operations Sinh are not known; run it on the CPU"):
        both(graph_of(ops.sinh), random_of(1, 6, 11, 9))


def test_a_failing_runtime_is_an_error_not_an_answer() -> None:
    with pytest.raises(InferenceError, match="torch failed"):
        both(graph_of(OPERATIONS["convolution"]), random_of(1, 5, 11, 9))


def test_what_is_computed_is_float32() -> None:
    both(graph_of(OPERATIONS["convolution"]), random_of(1, 6, 11, 9))
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


# --- whole networks -------------------------------------------------------------------------------------------------


def pictures() -> list[Picture]:
    wide = np.full((360, 900, 3), 60, np.uint8)
    wide[:, 200:560] = ASTRONAUT[:360, :360]
    return [ASTRONAUT, wide, np.ascontiguousarray(ASTRONAUT[:, ::-1])]


def test_boxes_are_those_of_a_cpu_within_a_pixel() -> None:
    from mosaicast.adapters.detectors.centerface_torch import CenterFaceTorch

    found = CenterFaceTorch(device="cpu").detect(pictures(), 0.2)
    wanted = CenterFace(precision="f32").detect(pictures(), 0.2)
    assert all(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert len(one) == len(other)
        assert farthest_side_px(one, other) < LARGEST_PX / 10
        np.testing.assert_allclose([face.score for face in one], [face.score for face in other], atol=1e-3)
        np.testing.assert_allclose(one[0].landmarks, other[0].landmarks, atol=0.1)


def arcface(runtime: Runtime, folder: Path) -> ArcFace:
    (folder / "arcface.onnx").write_bytes(small_network())
    return ArcFace(profile_of("arcface", folder), runtime=runtime)


def edgeface(runtime: Runtime, folder: Path) -> ArcFace:
    source = Path(os.environ.get("MOSAICAST_DATA", "")) / "weights" / "edgeface_xs_dequant_fp32.onnx"
    if "MOSAICAST_DATA" not in os.environ or not source.is_file():
        pytest.skip("MOSAICAST_DATA names no folder with weights/edgeface_xs_dequant_fp32.onnx")
    shutil.copy(source, folder / "arcface.onnx")
    return ArcFace(profile_of("arcface", folder), runtime=runtime)


EMBEDDERS: dict[str, Callable[[Runtime, Path], ChipEmbedder]] = {
    "dlib": lambda runtime, _: DlibResnet(runtime=runtime),
    "facenet": lambda runtime, _: FacenetCasia(runtime=runtime),
    "mobilefacenet-512": lambda runtime, _: ArcFace(profile_of("mobilefacenet-512"), runtime=runtime),
    "mobilefacenet-192": lambda runtime, _: ArcFace(profile_of("mobilefacenet-192"), runtime=runtime),
    "arcface": arcface,
    "edgeface": edgeface,
}


@pytest.mark.parametrize(
    "name", [name if name != "edgeface" else pytest.param(name, marks=pytest.mark.data) for name in EMBEDDERS]
)
def test_vectors_are_those_of_a_cpu_and_do_not_depend_on_the_batch(name: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    shown = [ASTRONAUT, noise, ASTRONAUT // 2, np.ascontiguousarray(ASTRONAUT[:, ::-1]), np.full_like(noise, 99)]
    faces = [Face(picture, EYES_NOSE_MOUTH) for picture in shown]
    faces.insert(2, Face(ASTRONAUT, (7.0,) * 10))
    here, there = EMBEDDERS[name](on_torch("cpu"), tmp_path), EMBEDDERS[name](on_cpu(), tmp_path)
    assert (here.placement.runtime, there.placement.runtime) == ("torch", "openvino")
    assert (here.name, here.version, here.dimension) == (there.name, there.version, there.dimension)
    found, wanted = here.embed(faces).vectors, there.embed(faces).vectors
    assert not found[2].any()
    spans = [0, 1, 3, 4, 5]
    assert least_cosine(found[spans], wanted[spans]) > 0.9999 > LEAST_COSINE
    for row in spans:
        np.testing.assert_allclose(here.embed([faces[row]]).vectors[0], found[row], atol=1e-4)
    np.testing.assert_allclose(here.embed(faces).lengths, there.embed(faces).lengths, rtol=1e-3)


def test_a_graph_that_insists_on_one_input_is_given_one_at_a_time() -> None:
    graph = graph_of(
        lambda x: ops.reshape(ops.reshape(x, ints(6, 99), special_zero=False), ints(1, 594), special_zero=False)
    )
    model = on_torch("cpu")(graph)
    assert not model.in_batches
    pair = random_of(2, 6, 11, 9)
    np.testing.assert_array_equal(model.run(pair)[0], pair.reshape(2, 594))


@pytest.mark.parametrize("shape", [(1, 594), (1, -1)])
def test_a_graph_that_was_written_for_one_input_takes_several(shape: tuple[int, ...]) -> None:
    model = on_torch("cpu")(graph_of(lambda x: ops.reshape(x, ints(*shape), special_zero=False)))
    assert model.in_batches
    pair = random_of(2, 6, 11, 9)
    np.testing.assert_array_equal(model.run(pair)[0], pair.reshape(2, 594))


def test_a_graph_that_mixes_a_batch_is_given_one_at_a_time() -> None:
    graph = graph_of(lambda x: ops.add(x, ops.reduce_sum(x, ints(0), keep_dims=True)))
    assert not on_torch("cpu")(graph).in_batches
    assert on_torch("cpu")(graph_of(OPERATIONS["convolution"])).in_batches


def test_a_graph_that_does_not_run_at_all_is_refused() -> None:
    graph = graph_of(lambda x: ops.pad(x, ints(0, 0, 1, 1), ints(0, 0, 1, 1), "reflect"))
    with pytest.raises(ModelBrokenError, match="torch does not run"):
        on_torch("cpu")(graph)


# --- what is asked of a machine -------------------------------------------------------------------------------------


def test_a_machine_without_a_driver_does_not_even_load_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_device, "_DRIVERS", ("/no/such/driver",))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: pytest.fail("torch was asked"))
    assert not torch_device.cuda_there()
    assert torch_device.expected_device("auto") == torch_device.choose_device("auto", "centerface") == "cpu"
    assert torch_device.expected_device("cuda") == "cuda"


def test_how_far_boxes_are_apart() -> None:
    one, moved, far = (raw_face(Box(x, 10, x + 20, 40), 0.5) for x in (10, 10.5, 300))
    assert farthest_side_px([], []) == 0.0
    assert farthest_side_px([one], []) == farthest_side_px([], [one]) == float("inf")
    assert farthest_side_px([one, far], [far, moved]) == 0.5
    assert farthest_side_px([one], [one, far]) == 290


def test_how_alike_vectors_are() -> None:
    unit = np.eye(3, dtype=np.float32)
    assert least_cosine(unit[:0], unit[:0]) == 1.0
    assert least_cosine(unit, unit) == 1.0
    assert least_cosine(unit[:2], unit[[0, 2]]) == 0.0
