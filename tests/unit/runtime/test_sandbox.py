"""Children keep what they are given and nothing else: tried on the kernel that runs the test."""

import os
import platform
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mosaicast.runtime import sandbox, seccomp
from mosaicast.runtime.children import ForkServer, Limits
from mosaicast.runtime.sandbox import Access, Support
from tests.unit.runtime.sandbox_children import attempt, tell

KERNEL = sandbox.support()
NOTHING = Support(0, seccomp=False)
needs_landlock = pytest.mark.skipif(KERNEL.landlock_abi == 0, reason="this kernel has no Landlock")
needs_ports = pytest.mark.skipif(KERNEL.landlock_abi < 4, reason="this kernel's Landlock knows no ports")
needs_seccomp = pytest.mark.skipif(not KERNEL.seccomp, reason="this kernel has no seccomp")


def outcomes(access: Access | None, *attempts: tuple[str, Any], layers: Support | None = None) -> list[str]:
    child = ForkServer(layers=layers).spawn(
        attempt, attempts, name="attempt", limits=Limits(open_files=64), access=access
    )
    told = []
    for _ in attempts:
        assert child.connection.poll(30)
        told.append(child.connection.recv())
    assert child.wait(10) is not None
    return told


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@needs_landlock
def test_files_are_closed_but_the_one_that_is_given(tmp_path: Path) -> None:
    given, other = tmp_path / "given", tmp_path / "other"
    given.write_bytes(b"1")
    other.write_bytes(b"2")
    reads = [("read", str(path)) for path in (given, other, Path("/etc/passwd"))]
    writes = [("write", str(given)), ("write", str(tmp_path / "new"))]
    refused = "PermissionError"
    assert outcomes(Access(read=(given,)), *reads, ("thread", str(other)), *writes) == ["done", *[refused] * 5]
    assert given.read_bytes() == b"1"


@needs_landlock
def test_a_folder_is_given_for_writing_with_all_that_it_takes(tmp_path: Path) -> None:
    folder = tmp_path / "hls"
    folder.mkdir()
    inside = [("write", str(folder / "a")), ("rename", str(folder / "b")), ("read", str(folder / "a"))]
    told = outcomes(Access(write=(folder,)), *inside, ("write", str(tmp_path / "c")))
    assert told == ["done", "done", "done", "PermissionError"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "hls"]


@needs_landlock
def test_code_stays_readable_and_the_folder_beside_it_does_not() -> None:
    checkout = Path(sandbox.__file__).parents[2]
    told = outcomes(
        Access(), ("import", "colorsys"), ("import", "mosaicast.core.masks_absent"), ("read", sandbox.__file__),
        ("read", str(checkout / "pyproject.toml")), ("read", "/proc/self/statm"),
    )  # fmt: skip
    assert told == ["done", "ModuleNotFoundError", "done", "PermissionError", "done"]


@needs_ports
@needs_seccomp
def test_one_port_and_no_other_way_out(port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        told = outcomes(
            Access(ports=(port,)), ("connect", port), ("connect", other.getsockname()[1]), ("connect_fast", port),
            ("datagram", port), ("listen", None), ("unix", None),
        )  # fmt: skip
    assert told == ["done", *["PermissionError"] * 5]


@needs_seccomp
@pytest.mark.parametrize("abi", sorted({0, 1, min(3, KERNEL.landlock_abi), KERNEL.landlock_abi}))
def test_without_a_port_there_is_no_network_whatever_landlock_there_is(port: int, abi: int) -> None:
    layers = Support(min(abi, KERNEL.landlock_abi), seccomp=True)
    told = outcomes(Access(), ("connect", port), ("datagram", port), ("unix", None), layers=layers)
    assert told == ["PermissionError"] * 3


@needs_seccomp
def test_names_may_be_asked_for_where_the_edge_has_one(port: int) -> None:
    assert outcomes(Access(ports=(port,), resolves=True), ("datagram", port)) == ["done"]


@needs_seccomp
def test_no_program_no_other_process_no_second_table_of_calls() -> None:
    told = outcomes(Access(), ("run", None), ("signal", os.getpid()), ("x32", None), ("raise", None))
    x32 = "PermissionError" if platform.machine() == "x86_64" else "OSError"
    assert told == ["PermissionError", "PermissionError", x32, "done"]


def test_limits_can_not_be_raised_again_not_even_by_root() -> None:
    assert outcomes(Access(), ("limits", None), layers=NOTHING) == ["ValueError"]


@needs_landlock
def test_other_processes_are_closed() -> None:
    told = outcomes(Access(), ("look", os.getpid()), ("look", os.getppid()), layers=Support(KERNEL.landlock_abi, False))
    assert told == ["PermissionError", "PermissionError"]


def test_a_kernel_with_neither_runs_the_child_with_what_always_holds(tmp_path: Path, port: int) -> None:
    (tmp_path / "x").write_bytes(b"")
    told = outcomes(Access(), ("read", str(tmp_path / "x")), ("connect", port), layers=NOTHING)
    assert told == ["done", "done"]


@pytest.mark.parametrize("layers", [NOTHING, KERNEL], ids=["without", "kernel"])
def test_a_child_has_no_privileges_and_no_secret(monkeypatch: pytest.MonkeyPatch, layers: Support) -> None:
    child = ForkServer(layers=layers).spawn(tell, name="tell", access=Access())
    assert child.connection.poll(30)
    environment, _, status = child.connection.recv()
    says = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert says["NoNewPrivs"] == "1"
    assert {says[name] for name in ("CapPrm", "CapEff", "CapInh")} == {"0" * 16}
    assert says["Seccomp"] == ("2" if layers.seccomp else "0")
    assert not [name for name in environment if name.startswith("MOSAICAST_")]
    assert "PATH" in environment
    child.stop()


_SERVICE = """
import sys
from mosaicast.runtime.children import ForkServer
from mosaicast.runtime.sandbox import Access
from tests.unit.runtime.sandbox_children import tell
if __name__ == "__main__":
    child = ForkServer().spawn(tell, name="tell", access=Access())
    print(child.pid, child.connection.recv()[1], flush=True)
    sys.stdin.read()
"""


def test_what_a_child_is_a_copy_of_began_without_secrets(tmp_path: Path) -> None:
    """The first environment of a process lies in its memory for ever, whatever `os.environ` says later."""
    import subprocess
    import sys

    secrets = {"MOSAICAST_EDGE__TOKEN": "planted-1", "MOSAICAST_VAULT__KEY": "planted-2", "AWS_SECRET": "planted-3"}
    (tmp_path / "service.py").write_text(_SERVICE)
    environment = os.environ | secrets | {"PYTHONPATH": str(Path(sandbox.__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "service.py")], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as service:
        assert service.stdout is not None
        child, server = (int(word) for word in service.stdout.readline().split())
        begun = Path(f"/proc/{server}/environ").read_bytes()
        try:
            begun += Path(f"/proc/{child}/environ").read_bytes()
        except PermissionError:
            assert os.geteuid() != 0, "closed even to its own user"
        own = Path(f"/proc/{service.pid}/environ").read_bytes()
        service.kill()
    assert b"planted" in own
    assert b"PATH=" in begun
    assert b"planted" not in begun
    assert b"MOSAICAST_" not in begun


@pytest.mark.parametrize(
    ("url", "ports", "resolves"),
    [
        ("rtmp://127.0.0.1:1936/live/x?token=t", (1936,), False),
        ("rtmp://edge/live/x", (1935,), True),
        ("rtmps://[::1]/live/x", (443,), False),
        ("rtmp://localhost:1/x", (1,), True),
    ],
)
def test_an_address_says_what_it_takes(url: str, ports: tuple[int, ...], resolves: bool) -> None:
    assert Access.to_server(url) == Access(ports=ports, resolves=resolves)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (NOTHING, ["read files", "need no network"]),
        (Support(0, seccomp=True), ["read files", "any port"]),
        (Support(2, seccomp=True), ["any port"]),
        (Support(4, seccomp=True), []),
        (Support(7, seccomp=False), ["need no network"]),
    ],
)
def test_what_is_missing_is_told(layers: Support, words: list[str]) -> None:
    assert len(layers.missing) == len(words)
    assert all(word in text for word, text in zip(words, layers.missing, strict=True))


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_fits_every_architecture_that_it_knows(machine: str) -> None:
    steps = seccomp.program(machine, 7, seccomp.Network(tcp=True, udp=True))
    assert len(steps) < 4096
    for at, (code, yes, no, _) in enumerate(steps):
        if code & 0x07 == 0x05:
            assert at + 1 + max(yes, no) < len(steps), "it jumps past its end"
    assert steps[-1][0] == 0x06
