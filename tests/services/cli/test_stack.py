"""What `mosaicast up` hands to each process it starts."""

import itertools
import os
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from mosaicast.runtime import ports
from mosaicast.runtime.ports import free_port
from mosaicast.runtime.processes import ProcessSpec
from services.cli.stack import Stack, StackError, StackOptions

OF = {
    "api": {"EDGE__TOKEN", "API__ADMIN_TOKEN", "VAULT__KEY", "QDRANT__API_KEY", "DATABASE__URL"},
    "ingest": {"EDGE__TOKEN"},
    "detector": set[str](),
    "recognizer": {"VAULT__KEY", "QDRANT__API_KEY"},
    "compositor": {"EDGE__TOKEN"},
    "edge": set[str](),
}


@pytest.fixture
def environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    planted = {
        "VAULT__KEY": "p1",
        "QDRANT__API_KEY": "p2",
        "DATABASE__URL": "p3",
        "TOKEN": "p4",
        "API__ADMIN_TOKEN": "p5",
    }
    for name, value in planted.items():
        monkeypatch.setenv(f"MOSAICAST_{name}", f"planted-{value}")
    options = StackOptions(tmp_path, rtmp_port=0, http_port=0, api_port=0, environment={"MOSAICAST_LOG_LEVEL": "DEBUG"})
    return {spec.name: dict(spec.environment) for spec in Stack(options)._specs("127.0.0.1:1")}


def test_each_process_gets_its_own_secrets(environments: dict[str, dict[str, str]]) -> None:
    assert set(environments) == set(OF)
    token = environments["api"]["MOSAICAST_EDGE__TOKEN"]
    for name, environment in environments.items():
        secret = {key for key, text in environment.items() if text.startswith("planted-") or text == token}
        assert secret == {f"MOSAICAST_{key}" for key in OF[name]}, name


def test_each_service_gets_what_everybody_needs(environments: dict[str, dict[str, str]]) -> None:
    for name in set(OF) - {"edge"}:
        assert environments[name]["MOSAICAST_KAFKA__BOOTSTRAP"] == "127.0.0.1:1"
        assert environments[name]["MOSAICAST_LOG_LEVEL"] == "DEBUG"
        assert "PATH" in environments[name]
    assert not [key for key in environments["edge"] if key.startswith("MOSAICAST_")]


def test_our_services_speak_to_the_edge_behind_its_door(environments: dict[str, dict[str, str]]) -> None:
    """There they are not counted with everybody's connections, and find room when strangers fill the door."""
    for name in ("ingest", "compositor"):
        inside = environments[name]["MOSAICAST_EDGE__RTMP_URL"]
        outside = environments["api"]["MOSAICAST_EDGE__PUBLIC_RTMP_URL"]
        assert urlsplit(inside).hostname == "127.0.0.1"
        assert urlsplit(inside).port != urlsplit(outside).port


def test_metrics_are_never_on_the_port_that_everybody_reaches(environments: dict[str, dict[str, str]]) -> None:
    ports = [environments[name]["MOSAICAST_METRICS_PORT"] for name in set(OF) - {"edge"}]
    assert len(set(ports)) == 5
    assert environments["api"]["MOSAICAST_API__PORT"] not in ports


def test_a_part_that_ends_again_and_again_is_told_at_once_with_its_last_words(tmp_path: Path) -> None:
    spec = ProcessSpec(
        "thing",
        ["sh", "-c", "echo no such network >&2; exit 1"],
        tmp_path / "thing.log",
        {"PATH": os.environ["PATH"]},
        ready_url=f"http://127.0.0.1:{free_port()}/readyz",
    )
    with Stack(StackOptions(tmp_path, rtmp_port=0, http_port=0, api_port=0)) as stack:
        stack._launch(spec)
        try:
            with pytest.raises(StackError, match=r"thing ended 3 times at the start; .*\n(no such network\n?)+$"):
                stack._wait_ready("thing")
        finally:
            stack._supervisors.pop("thing").stop(0)


class Sockets:
    """The system's ports: whoever asks for any gets the lowest that nobody holds, be it one that was named before."""

    def __init__(self) -> None:
        self._held: set[int] = set()

    def socket(self) -> "Held":
        return Held(self._held)


class Held:
    def __init__(self, held: set[int]) -> None:
        self._held, self._port = held, 0

    def setsockopt(self, *_: int) -> None: ...

    def bind(self, address: tuple[str, int]) -> None:
        self._port = address[1] or next(port for port in itertools.count(30_000) if port not in self._held)
        self._held.add(self._port)

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", self._port

    def close(self) -> None:
        self._held.discard(self._port)


@pytest.mark.parametrize("rtmp_port", [0, 30_002])
def test_no_two_parts_get_the_same_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rtmp_port: int) -> None:
    monkeypatch.setattr(ports, "socket", SimpleNamespace(socket=Sockets().socket, SOL_SOCKET=1, SO_REUSEADDR=2))
    options = StackOptions(tmp_path, rtmp_port=rtmp_port, http_port=0, api_port=0)
    stack = Stack(options)
    urls = [spec.ready_url for spec in stack._specs("127.0.0.1:1")]
    chosen = list(stack._ports.values())
    assert len(set(chosen)) == len(chosen) == 6 + len(OF) - 1
    assert {urlsplit(url).port for url in urls} < set(chosen)
    assert rtmp_port in {0, stack._ports["rtmp"]}
