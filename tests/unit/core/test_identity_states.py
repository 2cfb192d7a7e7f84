"""The table of the identity machine, both ways: what is in it happens, what is not raises or is ignored."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from dataclasses import replace

import pytest

from mosaicast.core import identity_states as states
from mosaicast.core.identity import Answered, IdentityPolicy, Likeness, Match, PeopleChanged, View, ViewPolicy
from mosaicast.core.identity_states import (
    BARRED,
    EARNED,
    FOLLOWABLE,
    JUDGED,
    TRANSITIONS,
    IllegalTransition,
    Signal,
    Standing,
    Track,
    after,
)
from mosaicast.core.types import PersonId, TrackId
from tests.unit.core.identity_script import ANA, BEN, Script, like, seen

ONE = TrackId(1)
VIEWS: ContextVar[ViewPolicy | None] = ContextVar("views", default=None)
"""Of the machines that are made."""
Step = Callable[["Lone"], object]


SEEN_WELL = View(votes=True, clear=True, before=Likeness.SAME)


class Lone(Script):
    """A script that a single network answers, about track 1, and tells how well it sees it if it can."""

    def __init__(self) -> None:
        super().__init__(replace(IdentityPolicy(), second=None, views=VIEWS.get()))

    @property
    def track(self) -> Track:
        return self.machine._states[ONE]

    def until(self, standing: Standing, step: Step) -> "Lone":
        for _ in range(60):
            if self.track.standing is standing:
                return self
            step(self)
        raise AssertionError(f"never {standing}")

    def reply(self, person: PersonId | None, track: TrackId = ONE) -> None:
        """Answer the look at a track that is waited for, after as many looks as it takes to have one."""
        for _ in range(60):
            if (number := self.machine._states[track].request.number) is not None:
                matches = like(person) if person else []
                self.tell(number, matches, track)
                return
            self.look(seen(1), *([seen(2)] if track != ONE else []))
        raise AssertionError("no look was asked for")

    def tell(self, number: int, matches: Sequence[Match], track: TrackId = ONE, view: View = SEEN_WELL) -> None:
        """Answer a request, in a way that fits the policy."""
        told = None if self.machine.policy.views is None else view
        self.machine.handle(Answered(track, number, matches, view=told), self.now)

    def follow(self) -> None:
        """Answer that the gallery does not know the face, but that it is like its own looks."""
        for _ in range(3):
            if (number := self.track.request.number) is not None:
                self.tell(number, [], view=replace(SEEN_WELL, own=True))
                return
            self.look(seen(1))
        raise AssertionError("no look was asked for")


@contextmanager
def networks_that_tell() -> Iterator[None]:
    """Networks that tell how well they see a face."""
    token = VIEWS.set(ViewPolicy())
    try:
        yield
    finally:
        VIEWS.reset(token)


def people(**versions: str) -> Step:
    return lambda script: script.machine.handle(
        PeopleChanged({PersonId(name): text for name, text in versions.items()}), script.now
    )


def again(script: Lone) -> None:
    script.look(seen(1))


def away(script: Lone) -> None:
    script.gallery_seen_s, script.gallery_away = None, True
    script.look(seen(1))
    script.gallery_away = False


def gone_for_a_sample(script: Script) -> None:
    script.look()
    script.look(seen(1))


def begun() -> Lone:
    script = Lone()
    script.look(seen(1))
    return script


def clear() -> Lone:
    return begun().until(Standing.CLEAR, lambda script: script.reply(ANA))


def done(script: Lone, step: Step) -> Lone:
    step(script)
    return script


STAND: dict[Standing, Callable[[], Lone]] = {
    Standing.PENDING: begun,
    Standing.UNKNOWN: lambda: begun().until(Standing.UNKNOWN, lambda script: script.reply(None)),
    Standing.DOUBTFUL: lambda: done(clear(), lambda script: script.reply(BEN)),
    Standing.EXPIRED: lambda: done(clear(), people(ben="1")),
    Standing.CONFLICT: lambda: done(begun(), lambda script: script.look(seen(1, overlaps=True))),
    Standing.JUMP: lambda: done(begun(), lambda script: script.look(seen(1, jumped=True))),
    Standing.CLEAR: clear,
    Standing.RETURNED: lambda: done(clear(), gone_for_a_sample),
    Standing.OVERDUE: lambda: clear().until(Standing.OVERDUE, again),
    Standing.UNCHECKED: lambda: done(clear(), away),
}
"""How a track gets to stand so, by what happens to the machine."""


def unconfirmed(script: Lone) -> None:
    script.now += script.machine.policy.trust_s
    script.look(seen(1))


def unanswered(script: Lone) -> None:
    for _ in range(12):
        script.look(seen(1))


def rivalled(script: Lone) -> None:
    person = BEN if script.machine._people.keys() == {BEN} else ANA
    script.look(seen(1), seen(2))
    if script.track.standing in JUDGED:
        script.reply(person)
    script.reply(person, TrackId(2))
    script.look(seen(1), seen(2))


def votes(script: Lone) -> None:
    for _ in range(5):
        if script.track.standing is not Standing.CLEAR:
            script.reply(BEN)


def given_up(script: Lone) -> None:
    for _ in range(4):
        script.reply(None)


def settled(script: Lone) -> None:
    for _ in range(5):
        script.look(seen(1))


COMES: dict[Signal, Step] = {
    Signal.CROWDED: lambda script: script.look(seen(1, overlaps=True)),
    Signal.JUMPED: lambda script: script.look(seen(1, jumped=True)),
    Signal.UNCONFIRMED: unconfirmed,
    Signal.REAPPEARED: gone_for_a_sample,
    Signal.UNANSWERED: unanswered,
    Signal.SETTLED: settled,
    Signal.RIVALLED: rivalled,
    Signal.GALLERY_LOST: away,
    Signal.AGREED: lambda script: script.reply(BEN),
    Signal.EARNED: votes,
    Signal.DISAGREED: lambda script: script.reply(None),
    Signal.GIVEN_UP: given_up,
    Signal.CONFIRMED: lambda script: script.reply(ANA),
    Signal.FOLLOWED: lambda script: script.follow(),
    Signal.DISPROVED: lambda script: script.reply(BEN),
    Signal.PERSON_GONE: people(ben="1"),
    Signal.PERSON_CHANGED: people(ana="2", ben="1"),
    Signal.PEOPLE_CHANGED: people(ana="1", ben="2"),
}
"""How each signal comes about."""

TAKEN = [(row.signal, standing) for row in TRANSITIONS for standing in Standing if standing in row.taken]
IGNORED = [(row.signal, standing) for row in TRANSITIONS for standing in Standing if standing in row.ignored]
REFUSED = [(one, other) for one in Signal for other in Standing if (one, other) not in {*TAKEN, *IGNORED}]


def target(signal: Signal, standing: Standing) -> Standing:
    to = next(row.to for row in TRANSITIONS if row.signal is signal)
    return standing if to is None else to


def test_the_table_is_whole() -> None:
    assert [row.signal for row in TRANSITIONS] == list(Signal)
    assert all(not row.taken & row.ignored for row in TRANSITIONS)
    assert frozenset(Standing) == EARNED | JUDGED | BARRED
    assert len(TAKEN) + len(IGNORED) + len(REFUSED) == len(Signal) * len(Standing)
    assert REFUSED


def test_only_votes_lead_to_clear() -> None:
    to_clear = {row.signal for row in TRANSITIONS if row.to is Standing.CLEAR}
    assert to_clear == {Signal.EARNED, Signal.CONFIRMED, Signal.FOLLOWED}
    stays = {row.signal for row in TRANSITIONS if row.to is None and Standing.CLEAR in row.taken}
    assert stays == set(), "whoever is clear stays so because a signal is ignored or confirms it"


def test_likeness_alone_leads_to_clear_only_from_where_the_face_is_surely_the_same() -> None:
    """Out of sight, doubted or never confirmed, a face that is like others is nobody."""
    assert {Standing.CLEAR, Standing.OVERDUE} == FOLLOWABLE
    assert next(row for row in TRANSITIONS if row.signal is Signal.FOLLOWED).taken == FOLLOWABLE


@pytest.mark.parametrize("standing", list(Standing))
def test_a_track_gets_to_stand_everywhere(standing: Standing) -> None:
    assert STAND[standing]().track.standing is standing


@pytest.mark.parametrize(("signal", "standing"), [one for one in TAKEN if one[0] is not Signal.FOLLOWED])
def test_every_transition_of_the_table_happens(
    signal: Signal, standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    happens(signal, standing, monkeypatch)


NEVER_LATE = {(Signal.UNANSWERED, standing) for standing in EARNED - {Standing.CLEAR}}
"""Who is asked about at every look is masked already where he waits for an answer."""


@pytest.mark.parametrize(("signal", "standing"), [one for one in TAKEN if one not in NEVER_LATE])
def test_it_does_too_where_networks_tell_how_well_they_see(
    signal: Signal, standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    with networks_that_tell():
        happens(signal, standing, monkeypatch)


def happens(signal: Signal, standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    script, taken = STAND[standing](), []

    def noted(before: Standing, came: Signal) -> Standing:
        taken.append((before, came, after(before, came)))
        return taken[-1][2]

    monkeypatch.setattr(states, "after", noted)
    COMES[signal](script)
    assert (standing, signal, target(signal, standing)) in taken


@pytest.mark.parametrize(("signal", "standing"), IGNORED)
def test_what_the_table_ignores_changes_nothing(signal: Signal, standing: Standing) -> None:
    track = STAND[standing]().track
    before = deepcopy(track)
    track.take(signal)
    assert track == before
    assert not track.heeds(signal)


@pytest.mark.parametrize(("signal", "standing"), REFUSED)
def test_everything_else_raises_and_changes_nothing(signal: Signal, standing: Standing) -> None:
    track = STAND[standing]().track
    before = deepcopy(track)
    for take in (track.take, lambda came: track.void(came, 0.0), lambda came: track.hold(came, 0.0)):
        with pytest.raises(IllegalTransition, match=f"{signal} while {standing}"):
            take(signal)
    assert track == before


@pytest.mark.parametrize("standing", list(Standing))
@pytest.mark.parametrize("number", [0, 10_000])
def test_an_answer_that_is_not_waited_for_is_ignored_everywhere(number: int, standing: Standing) -> None:
    script = STAND[standing]()
    before = deepcopy(script.track)
    script.machine.handle(Answered(ONE, number, like(ANA)), script.now)
    assert script.track == before


@pytest.mark.parametrize("standing", list(Standing))
def test_a_look_is_asked_for_once_until_it_is_answered_or_void(standing: Standing) -> None:
    script = STAND[standing]()
    numbers = []
    for _ in range(8):
        waited = script.track.request.number
        script.look(seen(1))
        numbers += [want.ask for want in script.wanted]
        assert waited is None or script.wanted == [] or script.track.request.number != waited
    assert len(numbers) == len(set(numbers))
