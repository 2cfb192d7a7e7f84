"""Every odd and every broken file of the shared data: pictures or a sentence, never a hang, never a crash of ours."""

import os
from pathlib import Path

import pytest

from mosaicast.runtime.children import ForkServer, Limits
from tests.adapters.av_probe import probe

DATA = os.environ.get("MOSAICAST_DATA")
FILES = sorted(Path(DATA).glob("malformed/*/*")) if DATA else []
REFUSED = {
    "audio_only.m4a": "no_video",
    "moov_zeroed.mp4": "no_video",
    "bomb_60000x60000.png": "undecodable",
    "header_only.jpg": "undecodable",
    "png_named.jpg": "undecodable",
    **dict.fromkeys(
        [
            "broken_video.mp4",
            "empty.jpg",
            "empty.mp4",
            "mdat_size_huge.mp4",
            "moov_30_bitflips.mp4",
            "no_moov.mp4",
            "one_byte.mp4",
            "random_64k.mp4",
            "text_named.mp4",
            "truncated_50pct.mp4",
            "truncated_last_1k.mp4",
        ],
        "damaged",
    ),
}
PICTURES = {"one_frame.mp4": 1, "fps120.mp4": 240, "vfr.mp4": 59, "hevc_10bit_1080p.mp4": 50, "av1_opus.mkv": 60,
            "mdat_400_bitflips.mp4": 91, "negative_start_editlist.mp4": 62, "odd_427x241_yuv444.mp4": 90}  # fmt: skip

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not FILES, reason="MOSAICAST_DATA names no folder with malformed files"),
]


@pytest.fixture(scope="module")
def server() -> ForkServer:
    return ForkServer(preload=["tests.adapters.av_probe"])


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_gives_pictures_or_a_sentence(server: ForkServer, path: Path) -> None:
    child = server.spawn(probe, (str(path),), name="probe", limits=Limits(address_space_bytes=2 * 1024**3))
    assert child.connection.poll(30), "it hangs"
    counts, code, text = child.connection.recv()
    assert child.wait(30) is not None
    child.connection.close()
    assert code == REFUSED.get(path.name, "")
    assert bool(text) == bool(code)
    assert "wrong" not in counts
    if not code:
        assert counts["EpochStarted"] == 1
        assert counts["analysed"] == counts["Picture"] == PICTURES.get(path.name, counts["Picture"]) > 0
        assert counts["PacketRead"] >= counts["Picture"]
    else:
        assert "analysed" not in counts
