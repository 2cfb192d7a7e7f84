"""What `mosaicast up` says, and that a data folder has one."""

import multiprocessing
import socket
from pathlib import Path

import pytest
import typer

from services.cli import up
from services.cli.claim import claimed
from services.cli.failures import CommandError
from services.cli.printing import DEFAULT_URL
from services.cli.stack import Addresses


def addresses(api_url: str = DEFAULT_URL) -> Addresses:
    return Addresses(
        api_url=api_url,
        publish_url="rtmp://live.example.org:1935/live",
        rtmp_url="rtmp://live.example.org:1935",
        hls_url="http://live.example.org:8080/hls",
        bootstrap="127.0.0.1:9092",
        metrics_urls={},
    )


def said(capsys: pytest.CaptureFixture[str], api_url: str = DEFAULT_URL) -> list[str]:
    up._print_addresses(addresses(api_url), Path("/data"), as_json=False)
    return capsys.readouterr().out.splitlines()


def test_what_is_copied_stands_whole_at_the_end_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys)
    assert "  Server      rtmp://live.example.org:1935/live" in lines
    assert "  page        http://127.0.0.1:8000/watch/STREAM_ID" in lines
    assert not any("export" in line for line in lines), "the other commands find the api by themselves"


def test_other_commands_are_told_of_another_port(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "http://127.0.0.1:8123")[-1] == "export MOSAICAST_API_URL=http://127.0.0.1:8123"


@pytest.mark.parametrize(("host", "name"), [("127.0.0.1", "127.0.0.1"), ("192.168.1.20", "192.168.1.20")])
def test_a_host_is_its_own_name(host: str, name: str) -> None:
    assert up._name_of_this_machine(host) == name


@pytest.mark.parametrize("host", sorted(up.EVERY_NETWORK))
def test_on_every_network_the_machines_own_address_is_found(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "_own_address", lambda: "192.168.1.20")
    assert up._name_of_this_machine(host) == "192.168.1.20"


def test_in_no_network_it_asks_for_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoNetwork(socket.socket):
        def connect(self, _: object) -> None:
            raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "socket", NoNetwork)
    with pytest.raises(typer.BadParameter, match="--public-host"):
        up._name_of_this_machine("0.0.0.0")


def hold(folder: Path, held: "multiprocessing.synchronize.Event", over: "multiprocessing.synchronize.Event") -> None:
    with claimed(folder):
        held.set()
        over.wait()


def test_a_second_one_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    spawn = multiprocessing.get_context("spawn")
    held, over = spawn.Event(), spawn.Event()
    first = spawn.Process(target=hold, args=(folder, held, over))
    first.start()
    assert held.wait(60)
    with (
        pytest.raises(CommandError, match=rf"runs on .* already \(process {first.pid}\): .*--data-dir"),
        claimed(folder),
    ):
        pass
    over.set()
    first.join()
    with claimed(folder):
        pass


def test_a_folder_that_can_not_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="can't be used: Not a directory"), claimed(tmp_path / "file" / "data"):
        pass
