"""What only CenterFace does: decoding of its maps, canvases, its packaged file."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mosaicast.adapters.detectors import centerface
from mosaicast.adapters.detectors.centerface import CenterFace, decode
from mosaicast.adapters.detectors.pictures import Fitted, fit, inside, target_size, to_bgr
from mosaicast.adapters.detectors.port import RawFace
from mosaicast.adapters.models import NetworkProfile, load, openvino_runtime, profile_of
from mosaicast.adapters.models.errors import InferenceError, ModelBrokenError
from mosaicast.core.types import Box

Maps = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


def maps(heat: dict[tuple[int, int], float], h: int = 8, w: int = 8) -> Maps:
    """Maps with faces of 16 x 24 px at these rows and columns, landmarks in their middle."""
    scores, scales, offsets, landmarks = (np.zeros((count, h, w), np.float32) for count in (1, 2, 2, 10))
    for (row, column), score in heat.items():
        scores[0, row, column] = score
    scales[0], scales[1] = np.log(6), np.log(4)
    landmarks[:] = 0.5
    return scores, scales, offsets, landmarks


def test_no_heat_is_nobody() -> None:
    assert decode(maps({}), 0.2) == []


def test_a_cell_becomes_a_box_around_its_centre() -> None:
    face = decode(maps({(3, 5): 0.75}), 0.2)[0]
    np.testing.assert_allclose(list(face.box), (14, 2, 30, 26), atol=1e-4)
    np.testing.assert_allclose(face.landmarks, (22, 14) * 5, atol=1e-4)
    assert face.score == 0.75


def test_offsets_move_y_then_x() -> None:
    values = maps({(3, 5): 0.75})
    values[2][0], values[2][1] = 0.25, -0.5
    np.testing.assert_allclose(list(decode(values, 0.2)[0].box), (12, 3, 28, 27), atol=1e-4)


def test_the_threshold_is_the_lowest_score() -> None:
    values = maps({(1, 1): 0.2, (6, 6): 0.19})
    assert [face.score for face in decode(values, float(np.float32(0.2)))] == [pytest.approx(0.2)]


def test_of_two_that_overlap_the_better_stays_and_far_ones_both() -> None:
    faces = decode(maps({(3, 3): 0.5, (3, 4): 0.9, (20, 20): 0.3}, 24, 24), 0.2)
    assert [face.score for face in faces] == [pytest.approx(0.9), pytest.approx(0.3)]


@pytest.mark.parametrize("which", [0, 1, 2, 3])
def test_numbers_that_mean_nothing_are_an_error_not_nobody(which: int) -> None:
    values = maps({(3, 3): 0.5})
    values[which][:] = np.nan
    with pytest.raises(InferenceError):
        decode(values, 0.2)


def test_a_wild_size_stays_finite() -> None:
    values = maps({(3, 3): 0.5})
    values[1][:] = 1e9
    assert np.isfinite(list(decode(values, 0.2)[0].box)).all()


@pytest.mark.parametrize(
    ("size", "target"),
    [
        ((1280, 720), (640, 360)), ((640, 360), (640, 360)), ((854, 480), (640, 360)), ((608, 1080), (360, 640)),
        ((3840, 2160), (640, 360)), ((64, 36), (128, 72)), ((1, 1), (2, 2)), ((2560, 640), (960, 240)),
        ((10000, 1), (1600, 1)), ((1, 16384), (1, 1600)), ((500, 500), (480, 480)),
    ],
)  # fmt: skip
def test_pictures_are_scaled_to_a_size_the_network_works_well_at(
    size: tuple[int, int], target: tuple[int, int]
) -> None:
    assert target_size(*size, 640) == target


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_any_picture_fits_a_canvas_that_is_not_too_large(width: int, height: int) -> None:
    fitted = fit(np.zeros((height, width, 1), np.uint8))
    assert fitted is not None
    rows, columns, channels = fitted.canvas.shape
    assert rows % 32 == columns % 32 == 0
    assert channels == 3
    assert max(rows, columns) <= 1600
    assert rows * columns <= 1600 * 256


def test_a_halved_picture_maps_exactly() -> None:
    picture = np.zeros((720, 1280, 3), np.uint8)
    picture[100:140, 200:260] = 255
    fitted = fit(picture, 640)
    assert fitted is not None
    assert fitted.canvas.shape == (384, 640, 3)
    assert (fitted.canvas[50:70, 100:130] == 255).all()
    assert fitted.canvas.astype(int).sum() == 20 * 30 * 3 * 255
    assert fitted.box_of(Box(100, 50, 130, 70)) == (200, 100, 260, 140)
    assert fitted.landmarks_of((100, 50) * 5) == (200, 100) * 5


def test_each_axis_maps_by_its_own_scale() -> None:
    fitted = Fitted(np.zeros((32, 32, 3), np.uint8), 0.5, 0.25)
    assert fitted.box_of(Box(1, 1, 2, 2)) == (2, 4, 4, 8)
    assert fitted.landmarks_of((1, 1) * 5) == (2, 4) * 5


def test_faces_in_the_padding_are_no_faces_of_the_picture() -> None:
    fitted = Fitted(np.zeros((384, 640, 3), np.uint8), 0.5, 0.5)
    faces = [RawFace(Box(10, y, 30, y + 20), 0.5, (0.0,) * 10) for y in (0, 350, 361)]
    assert [face.box.y1 for face in inside(faces, fitted, (720, 1280, 3))] == [0, 700]


def test_alpha_is_left_out_and_grey_repeated() -> None:
    assert to_bgr(np.full((2, 2, 4), 7, np.uint8)).shape == (2, 2, 3)
    assert (to_bgr(np.full((2, 2), 7, np.uint8)) == 7).all()


def test_few_compiled_shapes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(centerface, "_SHAPES_KEPT", 2)
    detector = CenterFace()
    for side in (32, 64, 96, 64):
        assert detector.detect([np.zeros((side // 2, side // 2, 3), np.uint8)], 0.9) == [[]]
    assert list(detector._compiled) == [(96, 96), (64, 64)]


def test_half_precision_finds_what_full_finds() -> None:
    from skimage import data

    picture = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
    full, chosen = (CenterFace(precision=precision).detect([picture], 0.2)[0] for precision in ("f32", "auto"))
    assert len(full) == len(chosen)
    np.testing.assert_allclose(full[0].box, chosen[0].box, atol=3)


def test_the_precision_is_told() -> None:
    assert CenterFace(precision="f32").precision == "f32"
    assert CenterFace().precision in ("f32", "bf16", "f16")


def test_a_broken_file_is_told_at_the_start(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"\x08\x07nonsense")
    with pytest.raises(ModelBrokenError):
        CenterFace(network=NetworkProfile(load().get("centerface"), (broken,), ("0" * 64,)))


def test_a_failing_runtime_is_an_error_not_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = CenterFace()

    class Failing:
        def infer(self, inputs: object) -> None:
            raise RuntimeError("out of memory")

    monkeypatch.setattr(detector._compiled[(416, 736)], "_request", Failing())
    with pytest.raises(InferenceError):
        detector.detect([np.zeros((360, 640, 3), np.uint8)], 0.2)


def test_the_runtime_hands_out_copies() -> None:
    import openvino as ov

    core = ov.Core()
    graph = openvino_runtime.read_model(core, profile_of("centerface").path)
    graph.reshape([1, 3, 32, 32])
    model = openvino_runtime.CompiledModel(core, graph)
    first = model.run(np.zeros((1, 3, 32, 32), np.float32))
    held = [value.copy() for value in first]
    model.run(np.full((1, 3, 32, 32), 200, np.float32))
    for value, kept in zip(first, held, strict=True):
        np.testing.assert_array_equal(value, kept)
