"""One stream in the parent: its child, its books, its restarts."""

import signal
from multiprocessing.connection import Connection
from typing import Any

import pytest

from mosaicast.core.types import Disposition
from mosaicast.runtime.children import ForkServer
from services.compositor.runner import EPOCHS, PIPE_MESSAGES, SILENCE_S, STUCK_S, StreamRunner
from services.compositor.wire import Outcome, Report, Settled, encode_report
from tests.services.compositor.fakes import WAIT_S, packet, shown, verdict_of
from tests.services.compositor.media import STREAM, spec
from tests.services.compositor.runner_stage import DROPPED, Stage, group


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.runner.on_spec(spec())
    return stage


def test_without_packets_there_is_no_child(stage: Stage) -> None:
    stage.after(10.0)
    stage.runner.on_verdict(verdict_of(0))
    assert stage.spawn.children == []
    assert stage.runner.child_pid == 0


def test_everything_reaches_the_child_in_order(stage: Stage) -> None:
    media, verdict, changed = group(0, 3), verdict_of(0), spec(2, panic=True)
    stage.media(*media[:2])
    stage.runner.on_verdict(verdict)
    stage.media(media[2], packet(3, track="audio"))
    stage.runner.on_spec(changed)
    expected = [spec(), Settled(1, frozenset()), *media[:2], verdict, media[2], packet(3, track="audio"), changed]
    assert stage.child.takes(8) == expected
    assert stage.runner.child_pid == stage.child.pid
    assert stage.counts() == {"taken": 3, "in_flight": 3}


def test_a_packet_that_the_log_repeats_counts_once(stage: Stage) -> None:
    media = group(0, 4)
    stage.media(*media, *media[1:3])
    assert stage.child.takes(6)[2:] == media
    assert stage.counts() == {"taken": 4, "in_flight": 4}


def test_outcomes_are_booked_and_told_once(stage: Stage) -> None:
    stage.media(*group(0, 3))
    stage.child.says(*shown(0, 1), note="a note")
    stage.child.says(*shown(1), note="a note")
    stage.after(0.02)
    assert stage.told == shown(0, 1)
    assert stage.counts() == {"taken": 3, "in_flight": 1, "masked": 2}
    assert stage.runner.note == "a note"


def test_late_packets_of_an_older_epoch_are_dropped_and_sent_to_nobody(stage: Stage) -> None:
    stage.media(*group(0, 2, epoch=2))
    stage.media(packet(0, epoch=1), packet(1, epoch=1, track="audio"), packet(2, epoch=1, unit=1, end=True))
    stage.media(packet(2, epoch=2))
    assert [m.epoch for m in stage.child.takes(5)[2:]] == [2, 2, 2]
    assert stage.told == [Outcome(1, 0, DROPPED, "old_epoch")]
    assert stage.runner.epoch == 2


def test_an_older_epoch_that_the_log_repeats_is_booked_once(stage: Stage) -> None:
    stage.media(*group(0, 2, epoch=1))
    stage.child.says(*shown(0, 1))
    stage.after(0.02)
    stage.media(*group(0, 2, epoch=2), *group(0, 3, epoch=1), *group(0, 3, epoch=1))
    assert stage.counts() == {"taken": 5, "in_flight": 2, "masked": 2, "dropped": 1, "dropped.old_epoch": 1}


def test_units_that_the_log_lost_are_booked_as_dropped(stage: Stage) -> None:
    stage.media(*group(0, 2), packet(5, unit=5), packet(6, unit=8, track="audio"), packet(7, unit=9))
    assert stage.counts()["dropped.lost_in_log"] == 3 + 2 + 1
    assert stage.counts()["taken"] == 4 + 6
    stage.media(packet(3, unit=3))
    assert stage.counts()["taken"] == 4 + 6, "late is lost: it was booked"


def test_lost_ends_and_beginnings_of_epochs_and_whole_ones_are_booked_too(stage: Stage) -> None:
    stage.media(packet(0, epoch=3, unit=0, key=True, since=(1, 70)), packet(1, epoch=3, unit=1))
    stage.media(packet(3, epoch=6, unit=2), packet(9, epoch=6, unit=5, key=True, since=(1, 70 + 2 + 11)))
    assert stage.counts()["dropped.lost_in_log"] == 2 + 2 + 11, "of epoch 6 first and then, and all between"
    stage.media(packet(20, epoch=6, unit=6, key=True, since=(1, 83)))
    stage.media(packet(0, epoch=7, unit=0, key=True, since=(1, 83 + 9)))
    assert stage.counts()["dropped.lost_in_log"] == 15 + 2
    stage.media(packet(30, epoch=6, unit=8), packet(0, epoch=9, key=True, since=(9, 0)))
    assert stage.counts()["taken"] == 2 + 3 + 2 + 17, "what comes so late was booked; another ingest counts anew"


def test_what_was_before_the_first_packet_that_we_see_is_not_ours(stage: Stage) -> None:
    stage.media(packet(40, epoch=2, unit=30, key=True, since=(1, 500)))
    assert stage.counts()["taken"] == 1


def test_a_number_that_jumps_absurdly_is_no_loss(stage: Stage) -> None:
    stage.media(*group(0, 2), packet(5, unit=10**12))
    assert "dropped.lost_in_log" not in stage.counts()


def test_few_epochs_are_remembered(stage: Stage) -> None:
    for epoch in range(2, EPOCHS + 10):
        stage.media(packet(0, epoch=epoch))
    taken = stage.runner.ledger.taken
    stage.media(packet(0, epoch=1), packet(0, epoch=3))
    assert stage.runner.ledger.taken == taken


# --- crashes ------------------------------------------------------------------------------------------------


def test_a_crash_restarts_with_growing_pauses(stage: Stage) -> None:
    stage.media(*group(0, 2))
    pauses = []
    for _ in range(4):
        stage.crash()
        assert stage.runner.child_pid == 0
        before, crashed_s = len(stage.spawn.children), stage.now
        while len(stage.spawn.children) == before:
            stage.after(0.05)
        pauses.append(stage.now - crashed_s)
    assert pauses == pytest.approx([0.2, 0.4, 0.8, 1.6], abs=0.06)
    assert stage.restarts == ["SIGSEGV"] * 4
    assert all(child.closed for child in stage.spawn.children[:-1])


def test_a_packet_does_not_cut_the_pause_short(stage: Stage) -> None:
    stage.media(packet(0, key=True))
    stage.crash()
    stage.media(packet(1))
    assert len(stage.spawn.children) == 1
    stage.now += 0.3
    stage.media(packet(2))
    assert len(stage.spawn.children) == 2


def test_the_next_child_begins_at_the_newest_keyframe_and_knows_what_was_shown(stage: Stage) -> None:
    media = [*group(0, 3), *group(3, 4), packet(7, track="audio")]
    stage.media(*media)
    stage.runner.on_verdict(verdict_of(1))
    stage.child.says(*shown(0, 1, 2, 3, 4))
    stage.after(0.02)
    stage.crash()
    child = stage.restarted()
    assert child.takes(8) == [spec(), Settled(1, frozenset({3, 4})), *media[3:], verdict_of(1)]
    assert stage.counts() == {"taken": 7, "in_flight": 2, "masked": 5}


def test_the_last_words_of_a_child_that_crashed_count(stage: Stage) -> None:
    stage.media(*group(0, 3))
    stage.child.says(*shown(0, 1), wait=False)
    stage.crash()
    assert stage.told == shown(0, 1)
    assert stage.restarted().takes(2)[1] == Settled(1, frozenset({0, 1}))


def test_a_keyframe_between_crash_and_restart_leaves_no_frame_without_an_outcome(stage: Stage) -> None:
    stage.media(*group(0, 4))
    stage.child.says(*shown(0))
    stage.after(0.02)
    stage.crash()
    stage.media(packet(4), *group(5, 2))
    child = stage.restarted()
    assert [m.index for m in child.takes(4)[2:]] == [5, 6]
    assert stage.reasons() == {"compositor_crash": 4}
    child.says(*shown(5, 6))
    stage.after(0.02)
    assert stage.counts() == {"taken": 7, "masked": 3, "dropped": 4, "dropped.compositor_crash": 4}


def test_what_a_dead_child_had_of_an_older_epoch_is_dropped(stage: Stage) -> None:
    stage.media(*group(0, 2, epoch=1), *group(0, 2, epoch=2))
    stage.crash()
    stage.restarted()
    assert stage.reasons() == {"compositor_crash": 2}
    assert {outcome.epoch for outcome in stage.told} == {1}


def test_a_silent_child_is_killed_and_another_started(stage: Stage) -> None:
    stage.media(*group(0, 2))
    stage.after(SILENCE_S)
    stage.child.says()
    stage.after(SILENCE_S)
    assert stage.child.exit is None, "it has spoken"
    stage.after(0.1)
    assert stage.child.exit is None, "it counts from when we heard it"
    stage.after(SILENCE_S)
    assert stage.child.closed
    stage.restarted()
    assert stage.restarts == ["hang"]


def test_an_edge_that_does_not_answer_is_tried_for_ever(stage: Stage) -> None:
    stage.media(*group(0, 2))
    for _ in range(12):
        stage.child.says(connecting=True)
        stage.after(0.02)
        stage.after(SILENCE_S + 0.1)
        assert stage.child.closed
        assert "media server" in stage.runner.note
        stage.restarted()
    assert not stage.runner.quarantined
    stage.child.says(connecting=True)
    stage.child.says()  # it is open
    stage.after(0.02)
    assert stage.runner.note == ""
    for _ in range(5):
        stage.after(SILENCE_S + 0.1)
        stage.after(2.0)
    assert stage.runner.quarantined, "a child that hangs elsewhere is the media's fault"


@pytest.mark.parametrize(
    "word",
    [
        b"garbage",
        encode_report(Report((), "x" * 501)),
        encode_report(Report((Outcome(1, 0, DROPPED, "No Such Reason"),))),
        encode_report(Report((Outcome(1, 0, Disposition.MASKED, "", float("nan")),))),
        encode_report(Report((Outcome(1, 0, Disposition.MASKED, "", float("inf")),))),
        b"\x00" * (16 * 1024 * 1024 + 1),
    ],
    ids=["garbage", "long note", "unknown reason", "nan", "infinite", "too large"],
)
def test_a_child_that_breaks_the_contract_is_not_heard_any_more(stage: Stage, word: bytes) -> None:
    stage.media(*group(0, 2))
    stage.child.connection.say(word, wait=False)
    stage.child.says(*shown(0), wait=False)
    stage.after(0.02)
    stage.after(SILENCE_S + 0.1)
    assert stage.child.closed
    assert stage.told == []


# --- quarantine ---------------------------------------------------------------------------------------------


def test_a_child_that_takes_nothing_is_killed_when_its_queue_is_full(stage: Stage) -> None:
    stage.media(packet(0, key=True))
    stage.child.takes(3)
    stage.child.connection.blocked = True
    stage.media(*(packet(n) for n in range(1, PIPE_MESSAGES + 1)))
    assert stage.child.exit is None
    stage.media(*(packet(n) for n in range(PIPE_MESSAGES + 1, PIPE_MESSAGES + 4)))
    assert stage.child.exit is not None
    stage.after(0.02)
    assert stage.restarts == ["SIGKILL"]


def test_a_long_group_of_pictures_is_replayed_whole(stage: Stage) -> None:
    count = PIPE_MESSAGES + 1000
    stage.media(packet(0, key=True))
    for start in range(1, count, 1000):
        stage.media(*(packet(n) for n in range(start, min(start + 1000, count))))
        stage.child.takes(2 + min(start + 1000, count))
    stage.crash()
    child = stage.restarted()
    assert [m.index for m in child.takes(2 + count)[2:]] == list(range(count))
    assert child.exit is None


# --- the end ------------------------------------------------------------------------------------------------


def test_stopping_books_the_last_words_and_drops_the_rest(stage: Stage) -> None:
    stage.media(*group(0, 3))
    stage.child.says(*shown(0, 1), wait=False)
    stage.runner.stop()
    assert stage.child.closed
    assert stage.told == [*shown(0, 1), Outcome(1, 2, DROPPED, "stopped")]
    assert stage.runner.stopped


def test_stopping_without_a_child_balances_too(stage: Stage) -> None:
    stage.media(*group(0, 3))
    stage.crash()
    stage.runner.stop()
    assert stage.reasons() == {"stopped": 3}


def test_a_child_rests_when_nothing_comes_and_nothing_waits(stage: Stage) -> None:
    stage.media(*group(0, 2))
    assert not stage.runner.idle(stage.now + 6.0, 5.0), "two frames are in flight"
    stage.child.says(*shown(0, 1))
    stage.after(1.0)
    assert not stage.runner.idle(stage.now, 5.0)
    stage.now += 5.0
    assert stage.runner.idle(stage.now, 5.0)
    stage.runner.rest()
    assert stage.child.closed
    stage.after(60.0)
    assert len(stage.spawn.children) == 1
    assert not stage.runner.idle(stage.now, 5.0)
    stage.media(packet(2))
    assert stage.child.takes(5)[1:] == [Settled(1, frozenset({0, 1})), *group(0, 3)]
    assert stage.restarts == []


def test_frames_that_never_leave_do_not_keep_a_child(stage: Stage) -> None:
    stage.media(*group(0, 3))
    stage.child.says(*shown(0))
    stage.after(STUCK_S - 1)
    assert not stage.runner.idle(stage.now, 5.0)
    stage.now += 2.0
    assert stage.runner.idle(stage.now, 5.0)
    stage.runner.rest()
    assert stage.counts() == {"taken": 3, "masked": 1, "dropped": 2, "dropped.no_end": 2}


def test_a_unit_that_was_told_is_marked_as_settled_for_every_later_child(stage: Stage) -> None:
    stage.media(*group(0, 6))
    for index in range(4):
        stage.child.says(*shown(index))
        stage.after(0.02)
        stage.crash()
        assert stage.restarted().takes(2)[1] == Settled(1, frozenset(range(index + 1)))


# --- a real process -----------------------------------------------------------------------------------------


def _deaf(connection: "Connection[Any, Any]", count: int) -> None:
    for _ in range(count):
        connection.recv_bytes()
    connection.send_bytes(encode_report(Report(tuple(shown(0)))))
    signal.pause()


def test_a_real_child_that_hangs_with_a_full_pipe_is_ended() -> None:
    """The writer is blocked in the pipe, the reader waits: both end, and no thread dies of an exception."""
    told: list[Outcome] = []
    server = ForkServer()
    children = []

    def spawn(stream_id: str) -> Any:
        children.append(server.spawn(_deaf, (3,), name=stream_id))
        return children[-1]

    runner = StreamRunner(STREAM, spawn, lambda _, outcomes: told.extend(outcomes), print)
    runner.on_spec(spec())
    runner.on_media(packet(0, key=True), 100.0)
    runner.on_media(packet(1, size=4_000_000), 100.0)
    link = runner._link
    assert link is not None
    assert link.reader is not None
    for _ in range(int(WAIT_S / 0.02)):
        link.reader.join(0.02)
        runner.tick(100.0)
        if told:
            break
    runner.tick(100.0 + SILENCE_S + 0.1)
    assert children[0].wait(WAIT_S) is not None
    assert not link.reader.is_alive()
    runner.stop()
    assert told == [*shown(0), Outcome(1, 1, DROPPED, "stopped")]
