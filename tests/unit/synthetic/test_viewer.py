import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synthetic.oracle import Kind, Oracle
from synthetic.viewer import SeenFrame, SeenSound, Viewer, ViewerError, main, play


def test_a_whole_clip_is_seen_heard_and_judged(sample: Any) -> None:
    report = play(str(sample.path), Oracle([sample.source], ["astronaut"]), None)
    assert report.by_kind == {Kind.LEAK: 60}
    assert {leak.face.person for leak in report.leaks} == {"admiral"}
    assert report.enrolled_visible == 1.0
    assert (report.order_violations, report.skipped, report.freezes, report.problem) == ((), 0, 0, None)
    assert report.av_offset_ms == pytest.approx(0, abs=5)


def test_pictures_and_sound_carry_their_times(sample: Any) -> None:
    with Viewer(str(sample.path)) as viewer:
        seen = list(viewer.watch())
    pictures = [one for one in seen if isinstance(one, SeenFrame)]
    assert [one.pts_s for one in pictures] == pytest.approx([index / 30 for index in range(60)], abs=0.001)
    assert pictures[0].bgr().shape == (360, 640, 3)
    assert (pictures[0].luma == sample.lumas[0]).all()
    sounds = [one for one in seen if isinstance(one, SeenSound)]
    assert sum(len(one.samples) for one in sounds) == pytest.approx(96_000, abs=2048)


def test_leaving_early_hangs_up(sample: Any) -> None:
    with Viewer(str(sample.path)) as viewer:
        next(viewer.watch())
    assert not viewer._thread.is_alive()


def test_what_cannot_be_opened_is_a_problem_in_the_report(tmp_path: Path, sample: Any) -> None:
    report = play(str(tmp_path / "none.mp4"), Oracle([sample.source]), None)
    assert report.frames == 0
    assert not report.played
    assert report.problem is not None
    assert "No such file" in report.problem


@pytest.fixture
def silent_server() -> Iterator[int]:
    """Accepts a connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("url", ["rtmp://127.0.0.1:{}/masked/one", "http://127.0.0.1:{}/one.m3u8"])
def test_a_silent_server_ends_at_the_deadline(silent_server: int, url: str) -> None:
    viewer = Viewer(url.format(silent_server), open_timeout_s=0.3, read_timeout_s=0.3)
    with viewer, pytest.raises(ViewerError):
        list(viewer.watch())


def test_the_command_says_by_its_status_whether_anything_leaked(
    sample: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = str(sample.path)
    assert main([clip, "--clip", clip, "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["leaks"]) == 120
    assert main([clip, "--clip", clip, "--enrolled", "astronaut", "--enrolled", "admiral"]) == 0
    assert "leaked faces      0" in capsys.readouterr().out
