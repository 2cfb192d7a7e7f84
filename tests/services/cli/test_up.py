"""What `mosaicast up` says, and that a data folder has one."""

import multiprocessing
import re
import socket
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from services.cli import models, up
from services.cli.claim import claimed
from services.cli.failures import CommandError
from services.cli.main import app
from services.cli.printing import DEFAULT_URL
from services.cli.stack import Addresses, Stack, StackOptions


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


def set_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *arguments: str) -> tuple[StackOptions | None, Result]:
    """Return with which options `mosaicast up` would run, and what it said."""
    seen: list[StackOptions] = []
    monkeypatch.setattr(up, "_run", lambda options, _as_json: seen.append(options))
    monkeypatch.setattr(models, "require_chosen", lambda _: None)
    done = CliRunner().invoke(app, ["up", "--data-dir", str(tmp_path), "--public-host", "live.example.org", *arguments])
    return (seen[0] if seen else None), done


def shown_addresses(options: StackOptions | None) -> tuple[str, str, str]:
    """Return what viewers are told of RTMP and HLS, and what the api is."""
    assert options is not None
    stack = Stack(options)
    environment = stack._environment("127.0.0.1:1")
    addresses = stack._make_addresses("127.0.0.1:1")
    told = environment["MOSAICAST_EDGE__PUBLIC_RTMP_URL"], environment["MOSAICAST_EDGE__PUBLIC_HLS_URL"]
    assert told == (addresses.rtmp_url, addresses.hls_url)
    return *told, addresses.publish_url


FREE = ("--rtmp-port", "0", "--http-port", "0", "--api-port", "0")


def test_without_a_proxy_viewers_are_told_of_the_edge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rtmp, hls, publish = shown_addresses(set_up(monkeypatch, tmp_path, *FREE)[0])
    assert re.fullmatch(r"rtmp://live\.example\.org:\d+", rtmp)
    assert re.fullmatch(r"http://live\.example\.org:\d+/hls", hls)
    assert publish == f"{rtmp}/live"


def shown_page(options: StackOptions | None) -> tuple[str, str | None]:
    """Return where the api is said to be, and what it is told of that."""
    assert options is not None
    stack = Stack(options)
    told = stack._environment("127.0.0.1:1").get("MOSAICAST_API__PUBLIC_URL")
    return stack._make_addresses("127.0.0.1:1").api_url, told


def test_behind_a_proxy_pages_are_where_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, told = shown_page(set_up(monkeypatch, tmp_path, *FREE)[0])
    assert re.fullmatch(r"http://live\.example\.org:\d+", own)
    assert told is None, "who asks the api has a better address"
    monkeypatch.setenv("MOSAICAST_API__PUBLIC_URL", "https://set.example.org/")
    set_url = "https://set.example.org"
    assert shown_page(set_up(monkeypatch, tmp_path, *FREE)[0]) == (set_url, set_url)
    options, _ = set_up(monkeypatch, tmp_path, *FREE, "--public-api-url", "https://given.example.org")
    assert shown_page(options) == ("https://given.example.org", "https://given.example.org")
    lines = said(capsys, "https://given.example.org")
    assert "  page        https://given.example.org/watch/STREAM_ID" in lines
    assert "  status      https://given.example.org/status" in lines


def test_hls_that_goes_elsewhere_has_an_address_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOSAICAST_HLS__URL", "http://10.0.0.5:8081")
    monkeypatch.setenv("MOSAICAST_HLS__TOKEN", "hush")
    options, done = set_up(monkeypatch, tmp_path, *FREE)
    assert (options, done.exit_code) == (None, 2)
    assert "--public-hls-url" in done.output
    given = ("--public-hls-url", "https://hls.example.org/hls")
    options, _ = set_up(monkeypatch, tmp_path, *FREE, *given)
    assert shown_addresses(options)[1] == "https://hls.example.org/hls"
    assert options is not None
    environment = Stack(options)._environment("127.0.0.1:1")
    assert environment["MOSAICAST_HLS__URL"] == "http://10.0.0.5:8081"


def test_behind_a_proxy_viewers_are_told_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOSAICAST_EDGE__PUBLIC_HLS_URL", "https://set.example.org/hls/")
    monkeypatch.setenv("MOSAICAST_EDGE__PUBLIC_RTMP_URL", "rtmps://set.example.org:1936")
    options, _ = set_up(monkeypatch, tmp_path, *FREE)
    assert shown_addresses(options) == (
        "rtmps://set.example.org:1936",
        "https://set.example.org/hls",
        "rtmps://set.example.org:1936/live",
    )
    given = ("--public-hls-url", "https://given.example.org/hls", "--public-rtmp-url", "rtmps://given.example.org")
    options, _ = set_up(monkeypatch, tmp_path, *FREE, *given)
    assert shown_addresses(options)[:2] == ("rtmps://given.example.org", "https://given.example.org/hls")


@pytest.mark.parametrize(
    ("option", "url"),
    [
        ("--public-hls-url", "live.example.org/hls"),
        ("--public-hls-url", "rtmp://live.example.org/hls"),
        ("--public-hls-url", "https://"),
        ("--public-hls-url", "https://live.example.org/hls?a=b"),
        ("--public-rtmp-url", "https://live.example.org"),
        ("--public-api-url", "live.example.org"),
    ],
)
def test_what_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, option: str, url: str) -> None:
    options, done = set_up(monkeypatch, tmp_path, *FREE, option, url)
    assert (options, done.exit_code) == (None, 2)
    name = "API__PUBLIC_URL" if option == "--public-api-url" else "EDGE__" + option[2:].replace("-", "_").upper()
    monkeypatch.setenv(f"MOSAICAST_{name}", url)
    options, done = set_up(monkeypatch, tmp_path, *FREE)
    assert options is None
    assert "begins with" in str(done.exception)


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
    try:
        assert held.wait(240)
        with (
            pytest.raises(CommandError, match=rf"runs on .* already \(process {first.pid}\): .*--data-dir"),
            claimed(folder),
        ):
            pass
    finally:
        over.set()
        first.join()
    with claimed(folder):
        pass


def test_a_folder_that_can_not_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="can't be used: Not a directory"), claimed(tmp_path / "file" / "data"):
        pass
