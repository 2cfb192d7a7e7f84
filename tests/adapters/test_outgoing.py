"""What the output guard sends and hears is checked like everything that crosses the log."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from av import VideoFrame

from mosaicast.adapters.media.pictures import Picture, PictureError
from mosaicast.contracts.codec import decode, encode
from mosaicast.contracts.errors import ContractError
from mosaicast.contracts.messages import LARGEST_OUTGOING_BYTES, OutgoingFace
from mosaicast.contracts.topics import OUTGOING, OUTGOING_FACES
from mosaicast.core.types import Box
from mosaicast.runtime.settings import WrongSettingsError, load
from tests.adapters.examples import EXAMPLES, FLV


@pytest.mark.parametrize("box", [(0, 0, 0, 5), (5, 0, 0, 5), (0, 0, math.nan, 5), (0, -math.inf, 5, 5)])
def test_a_box_that_is_none_is_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match=r"box|finite"):
        OutgoingFace(box=Box(*box), score=0.5)


def test_a_picture_beyond_the_limit_is_refused_by_who_reads_it() -> None:
    large: Any = msgspec.structs.replace(EXAMPLES[OUTGOING.name], jpeg=b"x" * (LARGEST_OUTGOING_BYTES + 1))
    with pytest.raises(ContractError, match="invalid"):
        decode(OUTGOING, encode(OUTGOING, large))


def test_most_faces_of_one_picture_fit_into_a_message() -> None:
    face = OutgoingFace(box=Box(-1e5 / 3, 1e5 / 3, 1e6 / 3, 1e6 / 3), score=1 / 3)
    message: Any = msgspec.structs.replace(EXAMPLES[OUTGOING_FACES.name], faces=(face,) * 2000)
    assert decode(OUTGOING_FACES, encode(OUTGOING_FACES, message)) == message


@pytest.mark.parametrize(
    ("size_wh", "luma_wh"),
    [((64, 36), (64, 36)), ((1280, 720), (1280, 720)), ((1920, 1080), (960, 540)), ((2, 5000), (1, 1250))],
)  # fmt: skip
def test_luma_is_a_copy_averaged_by_a_whole_factor(size_wh: tuple[int, int], luma_wh: tuple[int, int]) -> None:
    grey = np.tile(np.arange(size_wh[0], dtype=np.uint8), (size_wh[1] * 3 // 2, 1))
    frame = VideoFrame.from_ndarray(grey, format="yuv420p")
    luma = Picture(frame, FLV.seconds(1)).luma()
    assert luma.shape == luma_wh[::-1]
    before = luma.copy()
    np.frombuffer(frame.planes[0], np.uint8)[:] = 0
    assert np.array_equal(luma, before)


def test_a_format_without_luma_is_refused() -> None:
    frame = VideoFrame.from_ndarray(np.zeros((36, 64, 3), np.uint8), format="rgb24")
    with pytest.raises(PictureError):
        Picture(frame, FLV.seconds(1)).luma()


@pytest.mark.parametrize("looks_per_s", ["-1", "11", "often"])
def test_a_wrong_rate_of_looks_is_refused(monkeypatch: pytest.MonkeyPatch, looks_per_s: str) -> None:
    monkeypatch.setenv("MOSAICAST_GUARD__LOOKS_PER_S", looks_per_s)
    with pytest.raises(WrongSettingsError, match="MOSAICAST_GUARD__LOOKS_PER_S"):
        load()


def test_the_guard_is_on_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOSAICAST_GUARD__LOOKS_PER_S", raising=False)
    assert load().guard.looks_per_s == 1.0
