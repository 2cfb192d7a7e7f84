"""The command line: exit status and one plain sentence for every mistake."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mosaicast.runtime.ports import free_port


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "services.cli.main", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/usr/sbin", "COLUMNS": "200", **environment},
    )


class _Api(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.headers["Authorization"] != "Bearer right":
            self.answer(401, {"title": "Unauthorized", "detail": "send the token"})
        else:
            self.answer(200, {"streams": [{"stream_id": "s1", "name": "x", "state": "live", "reason": ""}]})

    def do_DELETE(self) -> None:
        self.answer(404, {"title": "Not Found", "detail": "there is no stream `nobody`"})

    def answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Api)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_help_names_the_commands() -> None:
    done = run("--help")
    assert done.returncode == 0
    for command in ("up", "enroll", "streams", "people"):
        assert command in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [("fly",), ("up", "--rtmp-port", "high"), ("streams", "create"), ("up", "--kafka", "--bootstrap", "k:9092")],
)
def test_wrong_usage_is_2(arguments: tuple[str, ...]) -> None:
    done = run(*arguments, MOSAICAST_TOKEN="t")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr


def test_the_token_is_asked_for() -> None:
    done = run("streams", "list")
    assert done.returncode == 2
    assert "MOSAICAST_TOKEN" in done.stderr


def test_nobody_answers() -> None:
    done = run("streams", "list", "--api-url", f"http://127.0.0.1:{free_port()}", MOSAICAST_TOKEN="t")
    assert done.returncode == 1
    assert "is `mosaicast up` running?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_problem_is_one_sentence(api: str) -> None:
    done = run("streams", "list", "--api-url", api, MOSAICAST_TOKEN="wrong")
    assert (done.returncode, done.stderr.strip()) == (1, "mosaicast: send the token")
    done = run("streams", "delete", "nobody", "--yes", "--api-url", api, MOSAICAST_TOKEN="right")
    assert (done.returncode, done.stderr.strip()) == (1, "mosaicast: there is no stream `nobody`")


def test_json_for_programs(api: str) -> None:
    done = run("streams", "list", "--json", "--api-url", api, MOSAICAST_TOKEN="right")
    assert json.loads(done.stdout)[0]["stream_id"] == "s1"


def test_a_photo_that_is_not_there(api: str, tmp_path: Path) -> None:
    done = run("enroll", "Ann", str(tmp_path / "none.jpg"), "--api-url", api, MOSAICAST_TOKEN="right")
    assert done.returncode == 1
    assert "can't read" in done.stderr


def test_a_port_that_is_taken(tmp_path: Path, api: str) -> None:
    port = api.rpartition(":")[2]
    done = run("up", "--data-dir", str(tmp_path), "--rtmp-port", "0", "--http-port", "0", "--api-port", port)
    assert done.returncode == 1
    assert "--api-port" in done.stderr


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("KAFKA__ASSIGNMENT_COUNT", "many", "MOSAICAST_KAFKA__ASSIGNMENT_COUNT: "),
        ("RECOGNITION__FIRST", "centerface", "as embedder there are dlib-resnet"),
        ("RECOGNITION__FIRST", "edgeface", "there is no model 'edgeface'"),
        ("RECOGNITION__SECOND", "mobilefacenet-512", "one opinion"),
        ("RECOGNITION__FIRST", "sface", "mosaicast models pull sface"),
        ("DETECTOR__MODEL", "ultralytics", "MOSAICAST_DETECTOR__WEIGHTS"),
    ],
)
def test_wrong_settings_start_nothing(tmp_path: Path, setting: str, value: str, words: str) -> None:
    done = run("up", "--data-dir", str(tmp_path / "data"), **{f"MOSAICAST_{setting}": value})
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_service_with_wrong_settings_says_which() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.detector"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin", "MOSAICAST_DETECTOR__WORKERS": "0"},
    )
    assert done.returncode == 1
    assert done.stderr.startswith("mosaicast: MOSAICAST_DETECTOR__WORKERS: ")
