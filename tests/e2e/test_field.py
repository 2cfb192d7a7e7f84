"""What people send and what they watch with: the table of tests/e2e/field, a few rows at a time on one product."""

import pytest

from tests.e2e.beside import beside
from tests.e2e.field import rows_clocks, rows_codecs, rows_page, rows_sound, rows_words
from tests.e2e.field.playing import Field
from tests.e2e.field.rows import Row
from tests.player import HAS_PLAYER, NEEDS_PLAYER

ROWS: tuple[Row, ...] = (*rows_sound.ROWS, *rows_clocks.ROWS, *rows_codecs.ROWS, *rows_words.ROWS, *rows_page.ROWS)


def test_rows_have_names_of_their_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


def playable(row: Row) -> bool:
    return HAS_PLAYER or not row.browser


def parameter(row: Row) -> object:
    marks = [beside(2, browser=True) if row.browser else beside()]
    return pytest.param(row, id=row.name, marks=marks if playable(row) else [*marks, NEEDS_PLAYER])


@pytest.mark.parametrize("row", [parameter(row) for row in ROWS])
def test_field(field: Field, row: Row) -> None:
    live = field.play(row)
    live.hls_watch.check()
    assert live.rtmp.tracks == row.tracks, live.summary()
    assert live.hls.tracks == row.tracks, live.summary()
    if row.browser:
        first, last = live.page[0], live.page[-1]
        assert last["time"] > first["time"] + 2, live.page
        assert last["frames"] > first["frames"], live.page
        assert not last["error"], live.page
    if row.shows is not None:
        row.shows(live)
