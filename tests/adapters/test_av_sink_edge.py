"""What is pushed to a real edge comes back from it; an edge that is away, refuses or dies is an error of ours."""

import socket
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from mosaicast.adapters.media.sink import FlvSink, SinkError
from mosaicast.runtime.children import ForkServer
from mosaicast.runtime.ports import free_port
from services.cli.edge import EdgeMissingError
from tests.adapters.av_clips import RATE
from tests.adapters.rtmp_edge import Edge, running_edge
from tests.adapters.sink_tools import VIDEO, WAIT_S, Player, Sound, frame, make_sound, push

LONGEST = 5000
"""Pictures pushed while a player connects: a minute or more of it, however busy the machine is."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    return make_sound(tmp_path_factory.mktemp("clips"))


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    try:
        with running_edge(tmp_path / "edge") as edge:
            yield edge
    except EdgeMissingError as exc:
        pytest.skip(str(exc))


def test_what_is_pushed_comes_back_from_the_edge(edge: Edge, sound: Sound) -> None:
    sink = FlvSink(edge.url, VIDEO, sound.format)
    push(sink, 15, sound)
    player = Player(edge.public_url)  # a late one: it begins at the next keyframe
    waiting = [p for p in sound.packets if p.time > 14 / RATE]
    sent = [(round(n * 1000 / RATE), n == 0) for n in range(15)]
    number, pause = 15, threading.Event()
    while len(player.seen.video) < 60:
        key = number % 20 == 0
        sink.write_frame(frame(number), number / RATE, force_keyframe=key)
        sent.append((round(number * 1000 / RATE), key))
        while waiting and waiting[0].time <= number / RATE:
            sink.write_audio(waiting[0], float(waiting.pop(0).time))
        pause.wait(0.01)  # about thrice as fast as a stream
        number += 1
        assert number < LONGEST, "the player sees nothing"
    sink.close()
    seen = player.until(lambda seen: seen.video[-1][0] == sent[-1][0])
    assert seen.video[0][1], "it begins with a keyframe"
    assert seen.video == sent[-len(seen.video) :], "each frame once, in order, keyframes where they were forced"
    data = {round(float(p.time) * 1000): p.data for p in sound.packets}
    assert len(seen.audio) > 30
    assert all(data[at_ms] == body for at_ms, body in seen.audio), "sound as it was, where it was"
    edge.kill()
    player.join()


def test_pictures_do_not_wait_for_sound_that_has_stopped(edge: Edge, sound: Sound) -> None:
    sink = FlvSink(edge.url, VIDEO, sound.format)
    push(sink, 3, sound)
    player = Player(edge.public_url)
    number, pause = 3, threading.Event()
    while len(player.seen.video) < 40:
        sink.write_frame(frame(number), number / RATE, force_keyframe=number % 10 == 0)
        pause.wait(0.02)
        number += 1
        assert number < LONGEST, "pictures are held back"
    newest_ms = round((number - 1) * 1000 / RATE)
    player.until(lambda seen: seen.video[-1][0] >= newest_ms - 100)
    sink.close()
    edge.kill()
    player.join()


def test_the_masked_stream_can_be_pushed_again_after_hanging_up(edge: Edge) -> None:
    for _ in range(3):
        sink = FlvSink(edge.url, VIDEO, None)
        push(sink, 3)
        sink.close()


def test_a_second_push_of_the_same_stream_is_refused_and_the_first_goes_on(edge: Edge) -> None:
    first = FlvSink(edge.url, VIDEO, None)
    push(first, 5)
    with pytest.raises(SinkError):
        FlvSink(edge.url, VIDEO, None)
    first.write_frame(frame(5), 1.0)
    first.close()


def test_an_edge_that_refuses_is_our_error(edge: Edge) -> None:
    edge.refuse()
    with pytest.raises(SinkError) as caught:
        FlvSink(edge.url, VIDEO, None)
    assert "token" not in str(caught.value)


def test_an_edge_that_is_away_is_our_error() -> None:
    with pytest.raises(SinkError):
        FlvSink(f"rtmp://127.0.0.1:{free_port()}/masked/s1?token=t", VIDEO, None)


def test_something_else_at_the_port_is_our_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            connection, _ = other.accept()
            connection.recv(100)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        done = ForkServer().spawn(_open, (f"rtmp://127.0.0.1:{other.getsockname()[1]}/masked/s1",), name="open")
        assert done.connection.poll(WAIT_S)
        assert done.connection.recv_bytes() == b"SinkError"
        thread.join(WAIT_S)
        done.stop()


def _open(connection: "Connection[Any, Any]", url: str) -> None:
    # In a child: FFmpeg keeps the interpreter while it connects, and the thread that answers would not run.
    try:
        FlvSink(url, VIDEO, None)
    except SinkError:
        connection.send_bytes(b"SinkError")


def test_an_edge_that_dies_is_our_error_and_closing_returns(edge: Edge) -> None:
    sink = FlvSink(edge.url, VIDEO, None)
    push(sink, 5)
    edge.kill()
    with pytest.raises(SinkError):
        push(sink, 300)
    sink.close()
    sink.close()


def _write_and_close(connection: "Connection[Any, Any]", url: str) -> None:
    sink = FlvSink(url, VIDEO, None)
    push(sink, 5)
    connection.send_bytes(b"open")
    connection.recv_bytes()
    push(sink, 30)
    sink.close()
    connection.send_bytes(b"closed")


def test_closing_returns_while_the_edge_is_frozen(edge: Edge) -> None:
    """In a child, which can be killed: a hang of FFmpeg holds the whole interpreter."""
    child = ForkServer().spawn(_write_and_close, (edge.url,), name="closing")
    try:
        assert child.connection.poll(WAIT_S)
        assert child.connection.recv_bytes() == b"open"
        edge.freeze()
        child.connection.send_bytes(b"go")
        assert child.connection.poll(WAIT_S), "closing hangs"
        assert child.connection.recv_bytes() == b"closed"
    finally:
        child.kill()
