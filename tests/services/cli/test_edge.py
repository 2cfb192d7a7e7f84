"""The edge's configuration."""

import socket
import subprocess
from pathlib import Path

import pytest

from services.cli import edge
from services.cli.ports import PortTakenError, free_port, require_free


@pytest.fixture
def config(tmp_path: Path) -> edge.EdgeConfig:
    return edge.EdgeConfig(
        folder=tmp_path / "edge",
        hls_folder=tmp_path / "hls",
        host="127.0.0.1",
        rtmp_port=free_port(),
        http_port=free_port(),
        control_port=free_port(),
        hooks_url="http://127.0.0.1:8000/hooks/edge",
        token="to/ken?&",
        control_token="c" * 43,
    )


def test_nginx_takes_the_configuration(config: edge.EdgeConfig) -> None:
    command = edge.prepare(config)
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_the_configuration_holds_a_secret_and_is_private(config: edge.EdgeConfig) -> None:
    edge.prepare(config)
    assert (config.folder / "nginx.conf").stat().st_mode & 0o077 == 0


def test_the_token_is_quoted(config: edge.EdgeConfig) -> None:
    text = edge.render(config, "/module.so")
    assert "token=to%2Fken%3F%26" in text
    assert "to/ken" not in text


def test_stream_keys_reach_no_log(config: edge.EdgeConfig) -> None:
    text = edge.render(config, "/module.so")
    assert "error_log stderr error;" in text, "at info the module writes keys"
    assert text.count("access_log off;") == 2


def test_a_missing_edge_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "MODULE_PATHS", ("/nowhere.so",))
    with pytest.raises(edge.EdgeMissingError, match="make setup"):
        edge.find_nginx()


def test_a_taken_port_names_the_option() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PortTakenError, match="--rtmp-port"):
            require_free("127.0.0.1", taken.getsockname()[1], "--rtmp-port")


def test_port_zero_is_any_port() -> None:
    assert require_free("127.0.0.1", 0, "--rtmp-port") > 0


def test_pictures_that_earlier_versions_left_are_deleted(config: edge.EdgeConfig) -> None:
    left = config.folder / "hls" / "stream-1.ts"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"pictures")
    edge.prepare(config)
    assert not left.parent.exists()


def test_the_edge_has_a_limit_of_memory(config: edge.EdgeConfig) -> None:
    assert f"--as={config.memory_bytes}" in edge.prepare(config)
