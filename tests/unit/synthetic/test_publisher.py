import os
import signal
import socket
from pathlib import Path
from typing import Any

import av

from synthetic.publisher import Publisher
from synthetic.session import wait_until


def test_it_sends_the_clip_as_it_is_and_ends(sample: Any, tmp_path: Path) -> None:
    out = tmp_path / "out.flv"
    with Publisher(sample.path, str(out), loop=False) as publisher:
        assert publisher.wait(30) == 0
    with av.open(str(out)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 60


def test_it_goes_on_until_it_is_stopped(sample: Any, tmp_path: Path) -> None:
    out = tmp_path / "out.flv"
    publisher = Publisher(sample.path, str(out))
    wait_until(lambda: out.exists() and out.stat().st_size > sample.path.stat().st_size, 60, "more than one clip")
    assert publisher.exit_status is None
    assert publisher.stop() == publisher.exit_status
    assert not Path(f"/proc/{publisher.pid}").exists()


def test_a_kill_is_a_kill(sample: Any, tmp_path: Path) -> None:
    publisher = Publisher(sample.path, str(tmp_path / "out.flv"))
    assert publisher.kill() == publisher.exit_status == -signal.SIGKILL
    assert publisher.stop() == -signal.SIGKILL


def test_a_stopped_process_is_killed_after_the_deadline(sample: Any, tmp_path: Path) -> None:
    publisher = Publisher(sample.path, str(tmp_path / "out.flv"))
    os.kill(publisher.pid, signal.SIGSTOP)
    # Which of the two signals it dies of depends on whether it had begun to listen to the first.
    assert publisher.stop(timeout_s=0.2) in {-signal.SIGINT, -signal.SIGKILL}


def test_a_refusal_is_an_exit_status_with_words(sample: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with Publisher(sample.path, f"rtmp://127.0.0.1:{port}/live/key") as publisher:
        assert publisher.wait(30) not in {None, 0}
        assert "refused" in publisher.stderr_tail()
    assert "refused" in publisher.stderr_tail()
