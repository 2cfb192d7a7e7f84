"""Told means delivered: what is answered was acknowledged; what was not is sent when the broker is back, unasked."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from mosaicast.adapters.database.storage import NewStream, Storage
from mosaicast.adapters.kafka import BusError, Received
from mosaicast.contracts.messages import GalleryChanged, Source, StreamSpec
from mosaicast.contracts.topics import GALLERY, STREAMS
from services.api.background import alignment
from services.api.background.alignment import align
from services.api.background.outbox import OutboxSender
from tests.fakes.bus import FakeProducer
from tests.services.api.fakes import ApiProducer, Desk, problem

ROOT = Path(__file__).parents[3]
LIMIT_S = 60.0


class SlowProducer(FakeProducer):
    """A broker that acknowledges when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[Future[bool]] = []

    def send_confirmed(self, *sent: Any, **more: Any) -> Future[bool]:
        self.send(*sent, **more)
        self.open.append(Future())
        return self.open[-1]


def change(desk: Desk, stream_id: str, method: str, path: str) -> Any:
    body = {"zones": [{"x": 0, "y": 0, "width": 1, "height": 1}]} if method == "PATCH" else None
    return desk.admin.request(method, f"/v1/streams/{stream_id}{path}", json=body)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/panic"), ("DELETE", ""), ("PATCH", "/policy"), ("POST", "/key")]
)
def test_what_the_broker_has_not_is_503_is_kept_and_is_sent_unasked_when_it_is_back(
    desk: Desk, method: str, path: str
) -> None:
    created = desk.create()
    stream_id = created["stream_id"]
    desk.publish(created["stream_key"])
    before = desk.producer.newest(stream_id)
    desk.producer.accepts = False
    told = problem(change(desk, stream_id, method, path), 503)
    assert "tried until it is done" in told["detail"]
    assert desk.producer.newest(stream_id) == before
    now = desk.storage.stream(stream_id)
    assert (now is None) is (method == "DELETE")
    if now is not None and before is not None:
        assert now.revision > before.revision, "the change is there"
    desk.producer.accepts = True
    desk.deps.outbox.work_off()
    newest = desk.producer.newest(stream_id)
    assert newest == (None if now is None else now.spec({}))
    assert desk.storage.waiting() == []
    desk.deps.outbox.work_off()
    assert desk.producer.newest(stream_id) == newest


def test_deleting_again_tells_whether_the_others_know(desk: Desk) -> None:
    stream_id = desk.create()["stream_id"]
    desk.producer.accepts = False
    for _ in range(2):
        problem(desk.admin.delete(f"/v1/streams/{stream_id}"), 503)
    desk.producer.accepts = True
    assert desk.admin.delete(f"/v1/streams/{stream_id}").status_code == 204
    problem(desk.admin.delete(f"/v1/streams/{stream_id}"), 404)


def test_a_key_is_shown_although_the_broker_is_away(desk: Desk) -> None:
    """A stream that nobody may publish on takes nobody's visibility away, and its key is shown once."""
    desk.producer.accepts = False
    stream_id = desk.create()["stream_id"]
    desk.producer.accepts = True
    desk.deps.outbox.work_off()
    assert desk.producer.newest(stream_id) is not None


def test_a_newer_change_replaces_an_older_one_that_waits(desk: Desk) -> None:
    stream_id = desk.create()["stream_id"]
    desk.producer.accepts = False
    for _ in range(3):
        change(desk, stream_id, "POST", "/panic")
        change(desk, stream_id, "DELETE", "/panic")
    assert len(desk.storage.waiting()) == 1
    sent = len(desk.producer.sent)
    desk.producer.accepts = True
    desk.deps.outbox.work_off()
    assert len(desk.producer.sent) == sent + 1
    newest = desk.producer.newest(stream_id)
    assert newest is not None
    assert (newest.revision, newest.panic) == (7, False)


def test_one_stream_that_cannot_be_told_holds_back_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, other = desk.create()["stream_id"], desk.create()["stream_id"]
    send = desk.producer.send
    monkeypatch.setattr(
        desk.producer, "send", lambda topic, message, key=None: message.stream_id != stuck and send(topic, message)
    )
    assert change(desk, stuck, "POST", "/panic").status_code == 503
    assert change(desk, other, "POST", "/panic").status_code == 204
    desk.deps.outbox.work_off()
    assert [waiting.key for waiting in desk.storage.waiting()] == [stuck]


def test_what_changes_while_it_is_on_its_way_is_told_once_more_and_in_order(storage: Storage) -> None:
    producer = SlowProducer()
    outbox = OutboxSender(storage, producer, lambda: 1)
    storage.create_stream(NewStream("s1", "town", "square", "k", Source(), 1))
    outbox.work_off()
    storage.set_panic("s1", True)
    assert not outbox.tell_stream("s1", 0)
    for acknowledged in reversed(producer.open):
        acknowledged.set_result(True)
    assert outbox.tell_stream("s1", 0)
    assert [(m.revision, m.panic) for _, m in producer.sent if isinstance(m, StreamSpec)] == [(1, False), (2, True)]
    outbox.work_off()
    assert storage.waiting() == []


def test_an_older_state_that_comes_after_a_newer_ones_end_is_told_again(storage: Storage) -> None:
    """Two processes: one reads a state, the other tells of a newer one, and only then the first one sends."""
    slow, quick = SlowProducer(), FakeProducer()
    storage.create_stream(NewStream("s1", "town", "square", "k", Source(), 1))
    late = OutboxSender(storage, slow, lambda: 1)
    late.work_off()
    storage.set_panic("s1", True)
    OutboxSender(storage, quick, lambda: 1).work_off()
    assert storage.waiting() == []
    slow.open[0].set_result(True)
    delivery = next(iter(late._deliveries.values()))
    late._settle(delivery)
    assert [waiting.key for waiting in storage.waiting()] == ["s1"], "the older one was the last word"
    late.work_off()
    assert slow.sent[-1][1].panic  # type: ignore[union-attr]


@pytest.mark.parametrize("act", ["expires", "consent", "erase"])
def test_a_consent_that_is_taken_back_is_told_to_all_or_answered_503(desk: Desk, act: str) -> None:
    from mosaicast.adapters.database.storage import Person

    stream_id = desk.create()["stream_id"]
    desk.storage.create_person(Person("ann", "default", "Ann", desk.now_ms))
    desk.deps.outbox.work_off()
    before = desk.producer.newest(stream_id)
    assert before is not None
    assert "ann" in before.visible_until
    desk.producer.accepts = False
    if act == "expires":
        answer = desk.admin.patch("/v1/people/ann", json={"expires_at": "2001-01-01T00:00:00Z"})
    elif act == "consent":
        answer = desk.admin.request("PUT", f"/v1/people/ann/consents/{stream_id}", json={"allowed": False})
    else:
        desk.deps.templates.erase = lambda *_: None  # type: ignore[method-assign]
        answer = desk.admin.delete("/v1/people/ann")
    problem(answer, 503)
    desk.producer.accepts = True
    desk.producer.sent.clear()
    desk.deps.outbox.work_off()
    newest = desk.producer.newest(stream_id)
    assert newest is not None
    assert newest.visible_until == {}
    assert newest.revision > before.revision
    assert [m.owner_id for _, m in desk.producer.sent if isinstance(m, GalleryChanged)] == ["default"]
    if act == "erase":
        assert desk.admin.delete("/v1/people/ann").status_code == 204
        problem(desk.admin.delete("/v1/people/ann"), 404)


def test_the_loop_sends_what_waits_by_itself(desk: Desk) -> None:
    stream_id = desk.create()["stream_id"]
    desk.producer.accepts = False
    change(desk, stream_id, "POST", "/panic")
    stop, told = threading.Event(), threading.Event()
    desk.producer.told = told.set
    loop = threading.Thread(target=desk.deps.outbox.run, args=(stop,))
    loop.start()
    desk.producer.accepts = True
    assert told.wait(LIMIT_S)
    stop.set()
    desk.deps.outbox.wake()
    loop.join(LIMIT_S)
    newest = desk.producer.newest(stream_id)
    assert newest is not None
    assert newest.panic


KILLED = """
import os, signal, sys
from mosaicast.adapters.database.storage import NewStream, Storage
from mosaicast.contracts.messages import Source
from services.api.background.outbox import OutboxSender

class Dying:
    def send_confirmed(self, *_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

storage = Storage(sys.argv[1])
storage.migrate()
storage.create_stream(NewStream("s1", "town", "square", "k", Source(), 1))
storage.set_panic("s1", True)
OutboxSender(storage, Dying(), lambda: 1).tell_stream("s1")
"""


def test_what_was_committed_before_a_kill_is_sent_at_the_next_start(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'killed.db'}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, "-c", KILLED, url], env=environment, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    storage, producer = Storage(url), ApiProducer()
    storage.migrate()
    OutboxSender(storage, producer, lambda: 1).work_off()
    newest = producer.newest("s1")
    assert newest is not None
    assert newest.panic
    assert storage.waiting() == []
    storage.close()


# --- the start ----------------------------------------------------------------------------------------------


class Log:
    """The topic `streams` as a reader finds it."""

    def __init__(self, *batches: list[Received] | BusError) -> None:
        self._batches = list(batches)
        self.closed = False

    @property
    def caught_up(self) -> bool:
        return not self._batches

    def poll(self, timeout_s: float) -> list[Received]:
        batch = self._batches.pop(0)
        if isinstance(batch, BusError):
            raise batch
        return batch

    def close(self) -> None:
        self.closed = True


def logged(stream_id: str, message: StreamSpec | None) -> Received:
    return Received(STREAMS.name, 0, 0, stream_id, message, 0)


def aligned(desk: Desk, *logs: Log) -> None:
    waiting = list(logs)
    align(lambda: waiting.pop(0), desk.storage, lambda: desk.now_ms, desk.deps.outbox.work_off, threading.Event())
    assert all(log.closed for log in logs)


def spec(desk: Desk, stream_id: str, /, **changes: Any) -> StreamSpec:
    stream = desk.storage.stream(stream_id)
    assert stream is not None
    plain = {name: getattr(stream.spec({}), name) for name in StreamSpec.__struct_fields__}
    return StreamSpec(**{**plain, **changes})


def test_what_only_the_log_knows_is_ended_and_what_it_has_not_is_told(desk: Desk) -> None:
    known, lacking, older, ended = (desk.create()["stream_id"] for _ in range(4))
    change(desk, older, "POST", "/panic")
    ghost = spec(desk, known, stream_id="ghost")
    desk.producer.sent.clear()
    aligned(
        desk,
        Log(
            [logged("ghost", ghost), logged("gone-twice", spec(desk, known, stream_id="gone-twice"))],
            [],
            [logged(known, spec(desk, known)), logged("gone-twice", None)],
            [logged(older, spec(desk, older, revision=1, panic=False)), logged(ended, None)],
        ),
    )
    assert sorted(key for key, _ in desk.producer.sent) == sorted(
        f"streams/{stream_id}" for stream_id in ("ghost", lacking, older, ended)
    )
    assert desk.producer.newest("ghost") is None
    newest = desk.producer.newest(older)
    assert newest is not None
    assert newest.panic
    desk.producer.sent.clear()
    aligned(desk, Log([logged(s, spec(desk, s)) for s in (known, lacking, older, ended)]))
    assert desk.producer.sent == []


def test_what_an_older_copy_of_the_database_says_counts_for_more_than_what_the_log_has(desk: Desk) -> None:
    """The others ignore what is older than what they know: a panic after the restoring would have no effect."""
    stream_id = desk.create()["stream_id"]
    before = spec(desk, stream_id, revision=40, visible_until={"erased": desk.now_ms + 1})
    aligned(desk, Log([logged(stream_id, before)]))
    newest = desk.producer.newest(stream_id)
    assert newest is not None
    assert (newest.revision, newest.visible_until) == (41, {})


def test_what_a_restored_database_has_told_already_hides_no_higher_revision(desk: Desk) -> None:
    """The half-minute's repeat came first, and panic was told at a revision that everybody ignored."""
    stream_id = desk.create()["stream_id"]
    before = spec(desk, stream_id, revision=40, visible_until={"erased": desk.now_ms + 1})
    aligned(desk, Log([logged(stream_id, before)], [logged(stream_id, spec(desk, stream_id))]))
    newest = desk.producer.newest(stream_id)
    assert newest is not None
    assert newest.revision == 41


def test_nothing_is_repeated_before_the_log_was_read(desk: Desk) -> None:
    desk.create()
    desk.producer.sent.clear()
    desk.deps.outbox.hold_repeats()
    desk.deps.outbox.repeat()
    assert desk.producer.sent == []
    desk.deps.outbox.release_repeats()
    desk.deps.outbox.repeat()
    assert len(desk.producer.sent) == 1


def test_the_comparison_outlives_a_broker_that_fails(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignment, "RETRY_S", 0.0)
    stream_id = desk.create()["stream_id"]
    failing = Log(BusError("away", fault="operator", retry=True))
    failing._batches.append([])
    aligned(desk, failing, Log([logged("ghost", spec(desk, stream_id, stream_id="ghost"))]))
    assert desk.producer.newest("ghost") is None


def test_nothing_is_compared_with_half_of_the_log(desk: Desk) -> None:
    stop = threading.Event()
    desk.create()
    sent = len(desk.producer.sent)

    class Stopping(Log):
        def poll(self, timeout_s: float) -> list[Received]:
            stop.set()
            return super().poll(timeout_s)

    log = Stopping([], [])
    wake: Callable[[], None] = desk.deps.outbox.work_off
    align(lambda: log, desk.storage, lambda: desk.now_ms, wake, stop)
    assert log.closed
    assert len(desk.producer.sent) == sent
    assert GALLERY.name not in {waiting.topic for waiting in desk.storage.waiting()}
