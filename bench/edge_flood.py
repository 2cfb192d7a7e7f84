"""What hostile RTMP connections cost the edge, and what a live stream beside them notices.

`python -m bench.edge_flood --connections 200 --out bench/results/edge_flood.json` starts an edge of our configuration
with one publisher and one player, lets each kind of attack stand for a while, and writes nginx' memory and the player's
frames. Each attack comes from as many addresses as connections; the costliest comes from one address too.
"""

import argparse
import contextlib
import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg

from mosaicast.runtime.children import die_with_parent
from mosaicast.runtime.ports import free_ports
from services.cli.edge import EdgeConfig, prepare, template
from synthetic.publisher import Publisher

FPS = 30
STAND_S = 12.0
"""Longer than the edge's time-out of a handshake."""
MOST_MB = 200.0
BLOCK = 64 * 1024
LARGEST = int(re.findall(r"max_message (\d+)M;", template())[0]) * 1024 * 1024 - 1
"""Bytes of the largest message that the edge takes."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one attack did."""

    attack: str
    connections: int
    addresses: int
    """Where they come from."""
    sent_mb: float
    still_open: int
    rss_mb_before: float
    rss_mb_most: float
    rss_mb_after: float
    """A second after the attackers have hung up."""
    frames_expected: int
    frames_seen: int
    longest_gap_ms: int


def connect(port: int, attacker: int) -> socket.socket:
    """Return a connection from the address of an attacker (0 to 64000); nothing on it waits long."""
    address = f"127.0.{1 + attacker // 250}.{2 + attacker % 250}"
    sock = socket.create_connection(("127.0.0.1", port), 5.0, (address, 0))
    sock.settimeout(2.0)
    return sock


def shake_hands(sock: socket.socket) -> None:
    """Do RTMP's handshake."""
    sock.sendall(b"\x03" + bytes(8) + os.urandom(1528))
    answer = b""
    while len(answer) < 1 + 2 * 1536:
        more = sock.recv(8192)
        if not more:
            raise ConnectionResetError
        answer += more
    sock.sendall(answer[1:1537])


def chunk(stream: int, kind: int, size: int, body: bytes) -> bytes:
    """Return the first chunk of a message that announces `size` bytes (RTMP 1.0, 5.3.1)."""
    return bytes([stream]) + bytes(3) + size.to_bytes(3, "big") + bytes([kind]) + bytes(4) + body


def half_open(sock: socket.socket) -> int:
    """Stop in the middle of the handshake."""
    return sock.send(b"\x03" + bytes(700))


def announce(sock: socket.socket) -> int:
    """Choose the largest chunks and announce the largest message in every chunk stream, with a little of each."""
    shake_hands(sock)
    data = chunk(2, 1, 4, struct.pack(">I", 10 * 1024 * 1024))
    data += b"".join(chunk(stream, 9, LARGEST, b"x" * 1024) for stream in range(3, 9))
    sock.sendall(data)
    return len(data)


def many_streams(sock: socket.socket) -> int:
    """Open chunk stream after chunk stream."""
    shake_hands(sock)
    data = b"".join(chunk(stream, 9, LARGEST, b"x" * 128) for stream in range(3, 64))
    sock.sendall(data)
    return len(data)


def fill(sock: socket.socket) -> int:
    """Announce the largest message in every chunk stream and send all of each but its end."""
    shake_hands(sock)
    sock.sendall(chunk(2, 1, 4, struct.pack(">I", BLOCK)))
    sent = 0
    for turn in range(LARGEST // BLOCK):
        for stream in range(3, 9):
            head = chunk(stream, 9, LARGEST, b"") if turn == 0 else bytes([0xC0 | stream])
            sock.sendall(head + bytes(BLOCK))
            sent += BLOCK
    return sent


ATTACKS: dict[str, Callable[[socket.socket], int]] = {
    "half-open handshakes": half_open,
    "announced giant chunks": announce,
    "many chunk streams": many_streams,
    "filled giant messages": fill,
}
COSTLIEST = "filled giant messages"


class Player:
    """Counts the frames of a stream as they arrive."""

    def __init__(self, url: str) -> None:
        self.arrivals_s: list[float] = []
        self._thread = threading.Thread(target=self._run, args=(url,), daemon=True)
        self._thread.start()

    def _run(self, url: str) -> None:
        with contextlib.suppress(av.FFmpegError), av.open(url, timeout=20.0) as container:
            for packet in container.demux(video=0):
                if packet.dts is not None:
                    self.arrivals_s.append(time.monotonic())


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def attack(name: str, count: int, addresses: int, edge: tuple[int, int], player: Player) -> Figures:
    """Let `count` connections of one kind stand, and measure. `edge`: its process id and port."""
    edge_pid, port = edge
    before_mb = most_mb = rss_mb(edge_pid)
    began_s, sockets, sent = time.monotonic(), [], 0
    for number in range(count):
        with contextlib.suppress(OSError):
            sockets.append(connect(port, number % addresses))
            sent += ATTACKS[name](sockets[-1])
        most_mb = max(most_mb, rss_mb(edge_pid))
    pause = threading.Event()
    while time.monotonic() - began_s < STAND_S:
        most_mb = max(most_mb, rss_mb(edge_pid))
        pause.wait(0.1)
    still_open = sum(is_open(sock) for sock in sockets)
    for sock in sockets:
        sock.close()
    ended_s = time.monotonic()
    pause.wait(1.0)
    seen_s = [at_s for at_s in player.arrivals_s if began_s <= at_s <= ended_s]
    gaps_s = [later - one for one, later in pairwise(seen_s)]
    return Figures(
        attack=name,
        connections=count,
        addresses=addresses,
        sent_mb=round(sent / 1e6, 1),
        still_open=still_open,
        rss_mb_before=round(before_mb, 1),
        rss_mb_most=round(most_mb, 1),
        rss_mb_after=round(rss_mb(edge_pid), 1),
        frames_expected=round((ended_s - began_s) * FPS),
        frames_seen=len(seen_s),
        longest_gap_ms=round(max(gaps_s, default=ended_s - began_s) * 1000),
    )


def is_open(sock: socket.socket) -> bool:
    """Return whether the edge has not hung up."""
    sock.setblocking(False)
    try:
        while True:
            if not sock.recv(65536):
                return False
    except BlockingIOError:
        return True
    except OSError:
        return False


class _Yes(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Admit everybody."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Say nothing."""


def _serve_hooks(told: "Connection[Any, Any]") -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Yes)
    told.send(server.server_port)
    server.serve_forever()


@contextlib.contextmanager
def running_edge(folder: Path) -> Iterator[tuple[int, int]]:
    """Run an edge that admits everybody; give its process id and port."""
    ours, theirs = Pipe()
    hooks = Process(target=_serve_hooks, args=(theirs,), daemon=True)
    hooks.start()
    port, control_port, *others = free_ports(5)
    config = EdgeConfig(
        folder=folder, hls_folder=folder / "hls", host="127.0.0.1", rtmp_port=port, services_port=others[0],
        inner_port=others[1], http_port=others[2], control_port=control_port,
        hooks_url=f"http://127.0.0.1:{ours.recv()}", token="t", control_token="c",
    )  # fmt: skip
    process = subprocess.Popen(die_with_parent(prepare(config)), stderr=subprocess.DEVNULL)
    try:
        _await(control_port)
        yield process.pid, port
    finally:
        process.kill()
        process.wait()
        hooks.kill()


def _await(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        threading.Event().wait(0.05)
    raise SystemExit("the edge does not listen")


def make_clip(path: Path) -> None:
    """Write 20 s of a test picture, 720p at 30 frames a second."""
    source = ["-f", "lavfi", "-i", f"testsrc2=size=1280x720:rate={FPS}:duration=20"]
    encode = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "60", "-pix_fmt", "yuv420p"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *source, *encode, str(path)]
    subprocess.run(command, check=True)


def main() -> int:
    """Measure every attack; exit with 1 if one costs too much or disturbs the player."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, running_edge(Path(name) / "edge") as edge:
        clip, url = Path(name) / "clip.flv", f"rtmp://127.0.0.1:{edge[1]}/masked/s1"
        make_clip(clip)
        with Publisher(clip, f"{url}?token=t"):
            player = Player(url)
            while len(player.arrivals_s) < FPS:
                threading.Event().wait(0.1)
            waves = [(kind, options.connections) for kind in ATTACKS] + [(COSTLIEST, 1)]
            figures = [attack(kind, options.connections, addresses, edge, player) for kind, addresses in waves]
    text = json.dumps([asdict(figure) for figure in figures], indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")
    good = [one.frames_seen > 0.95 * one.frames_expected and one.rss_mb_most < MOST_MB for one in figures]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
