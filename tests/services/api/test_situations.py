"""What people read of a stream: each situation is reached, and no other pair of state and sentence leaves the api."""

import itertools
import random
from typing import Any, get_args

import pytest

from mosaicast.contracts.messages import PublicationState, StatusReport
from mosaicast.contracts.situations import (
    MEANINGS,
    PLAIN,
    SITUATIONS,
    Situation,
    StreamState,
    Told,
    files,
    in_state,
    masking,
    publishing,
    sound,
    video,
    way,
)
from services.api.status import YOUNG_MS
from tests.services.api.fakes import Desk
from tests.services.api.test_status import report, told

PARTS = {
    "seconds": 60,
    "side": "ahead of",
    "what": "sound",
    "codec": "opus",
    "setting": "A_SETTING",
    "width": 1,
    "height": 2,
    "limit": 3,
    "why": "full",
    "behind": "2.2",
    "set": "1.0",
    "people": 3,
}
"""What stands in the braces of sentences."""


@pytest.fixture
def stream_id(desk: Desk) -> str:
    created = desk.create()
    desk.publish(created["stream_key"])
    return str(created["stream_id"])


def all_well(desk: Desk, stream_id: str) -> None:
    for part in ("ingest", "compositor", "recognizer", "detector"):
        report(desk, stream_id, part)


def parts_of(situation: Situation) -> dict[str, Any]:
    return {name: part for name, part in PARTS.items() if f"{{{name}}}" in situation.sentence}


OF_THE_API = {
    *(value for value in vars(publishing).values() if isinstance(value, Situation)),
    masking.NO_DETECTION,
    masking.MAKING_TEMPLATES,
}
"""What no part says in its report: the api sees it by itself."""
SAID = [one for one in SITUATIONS if one not in OF_THE_API]


@pytest.mark.parametrize("situation", SAID, ids=lambda one: one.sentence[:40])
def test_what_a_part_says_is_shown_with_its_state(desk: Desk, stream_id: str, situation: Situation) -> None:
    all_well(desk, stream_id)
    by = "compositor" if situation in vars(masking).values() or situation.state == "live" else "ingest"
    report(desk, stream_id, by, situation.state, reason=situation.says(**parts_of(situation)))
    assert told(desk) == (situation.state, situation.says(**parts_of(situation)))


def test_nobody_publishes_whatever_the_parts_still_say(desk: Desk) -> None:
    stream_id = desk.create()["stream_id"]
    for state in get_args(PublicationState):
        for part in ("ingest", "compositor"):
            report(desk, stream_id, part, state, reason="The publisher sends nothing; waiting for it.")
        assert told(desk) == ("waiting", "Nobody is publishing.")


def test_a_publisher_who_has_just_come_is_not_said_to_be_away(desk: Desk, stream_id: str) -> None:
    all_well(desk, stream_id)
    report(desk, stream_id, "ingest", "waiting", reason="Nobody is publishing.")  # it has not heard of it yet
    on_its_way = ("starting", publishing.ON_ITS_WAY.sentence)
    assert told(desk) == on_its_way
    report(desk, stream_id, "compositor", "waiting")
    assert told(desk) == on_its_way
    report(desk, stream_id, "ingest", "live")
    assert told(desk) == on_its_way, "its packets have not reached the compositor"
    desk.now_ms += YOUNG_MS + 1
    assert told(desk) == ("starting", "The publisher sends nothing; waiting for it.")
    report(desk, stream_id, "compositor", "starting")
    assert told(desk) == on_its_way


def test_pictures_that_can_not_be_looked_at_are_told_before_all_else(desk: Desk, stream_id: str) -> None:
    all_well(desk, stream_id)
    report(desk, stream_id, "compositor", reason=masking.HLS_SLOW.says())
    report(desk, stream_id, "detector", "error", reason="in other words")
    assert told(desk) == ("live", masking.NO_DETECTION.sentence)
    report(desk, stream_id, "detector")
    assert told(desk) == ("live", masking.HLS_SLOW.sentence)


def test_keyframes_that_are_too_large_are_told_though_ingest_reads_them(desk: Desk, stream_id: str) -> None:
    all_well(desk, stream_id)
    report(desk, stream_id, "ingest", reason=video.FRAMES_TOO_LARGE.says())
    assert told(desk) == ("live", video.FRAMES_TOO_LARGE.sentence)
    report(desk, stream_id, "compositor", "waiting")
    assert told(desk) == ("starting", video.KEYFRAMES_TOO_LARGE.sentence)


@pytest.mark.parametrize("sentence", ["5 crashes in a minute", "ключ", "Nobody is publishing.\n", "x" * 500])
@pytest.mark.parametrize("state", get_args(StreamState))
def test_a_sentence_that_is_not_ours_is_not_repeated(state: StreamState, sentence: str) -> None:
    assert in_state(state, sentence) == PLAIN[state].told()


def pairs() -> list[tuple[PublicationState, str]]:
    """Return every state of the wire with every sentence of ours, and with others."""
    sentences = [one.says(**parts_of(one)) for one in SITUATIONS] + ["not ours"]
    return list(itertools.product(get_args(PublicationState), sentences))


def test_no_other_pair_of_state_and_sentence_leaves_the_api(desk: Desk, stream_id: str) -> None:
    chosen = random.Random(7)
    shown = set()
    for (state, sentence), (other_state, other_sentence) in zip(
        pairs(), chosen.sample(pairs(), len(pairs())), strict=True
    ):
        reports: list[tuple[Any, PublicationState, str]] = [
            ("ingest", state, sentence),
            ("compositor", other_state, other_sentence),
            ("detector", chosen.choice(["live", "error"]), sentence),
        ]
        for part, part_state, part_sentence in reports:
            desk.board.take(
                StatusReport(
                    service=part, instance="0", stream_id=stream_id, state=part_state, reason=part_sentence, at_ms=1
                ),
                desk.now_s,
            )
        stream = desk.storage.stream(stream_id)
        assert stream is not None
        now = desk.board.view(stream, ("", ""), desk.now_s, {}, desk.now_ms)
        assert any(one.state == now.state and one.fits(now.reason) for one in SITUATIONS)
        shown.add(now.state)
    assert shown == set(get_args(StreamState)) - {"waiting"}, "that one is where nobody publishes"


def test_each_state_has_a_meaning_and_a_plain_situation() -> None:
    assert set(MEANINGS) == set(PLAIN) == {one.state for one in SITUATIONS} == set(get_args(StreamState))
    assert all(situation.state == state for state, situation in PLAIN.items())


def test_each_sentence_says_one_thing_and_is_one_sentence() -> None:
    for one in SITUATIONS:
        sentence = one.says(**parts_of(one))
        assert [other for other in SITUATIONS if other.fits(sentence)] == [one]
        assert one.remedy.endswith((".", "?"))
        if one is not publishing.WELL:
            assert sentence[0].isupper()
            assert sentence.endswith(".")


def test_a_sentence_can_not_be_told_with_another_state() -> None:
    with pytest.raises(ValueError, match="no sentence of the situation"):
        Told(publishing.WELL, "Nobody is publishing.")


def test_what_is_filled_in_stays_short_and_on_its_line() -> None:
    said = sound.UNDECODABLE.says(codec="a\nb" + "c" * 1000)
    assert "\n" not in said
    assert len(said) < 300
    assert in_state("live", said).sentence == said


def test_files_and_publishers_are_told_different_things() -> None:
    assert {video.NO_VIDEO.state, way.BROKEN.state, files.SLOW.state} == {"starting"}
    assert files.NO_VIDEO.state == "refused"
