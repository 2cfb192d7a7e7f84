"""HEVC and AV1 by enhanced RTMP: whoever reads them dies, and another reader goes on, as with H.264."""

from pathlib import Path

import pytest

from synthetic.publisher import Publisher
from synthetic.session import Session
from tests.e2e.field.inputs import media
from tests.e2e.field.rows import once_more, watching
from tests.e2e.field.rows_codecs import AV1, HEVC


@pytest.mark.parametrize("coded", [HEVC, AV1], ids=["hevc", "av1"])
def test_a_killed_reader_is_replaced(quick_session: Session, coded: tuple[str, ...], tmp_path: Path) -> None:
    media(seconds=30, picture=coded)(tmp_path / "input")
    stream = quick_session.create("enhanced")
    live, (viewer, hls, states) = watching(quick_session, stream, tmp_path)
    with viewer, hls, states, Publisher(tmp_path / "input", live.url):
        live.until(lambda: len(live.rtmp.pictures) >= 30, "30 pictures")
        for _ in range(2):
            quick_session.kill_child("ingest")
            once_more(live)
        live.until(lambda: live.said("live", ""), "live")
