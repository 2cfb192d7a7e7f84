"""What people send and what they watch with: the table of tests/e2e/field, a few rows at a time on one product."""

from collections.abc import Iterator

import pytest

from synthetic.session import Session
from tests.e2e.conftest import Products
from tests.e2e.field import rows_clocks, rows_codecs, rows_page, rows_sound, rows_words
from tests.e2e.field.playing import Field
from tests.e2e.field.rows import Row
from tests.player import HAS_PLAYER, NEEDS_PLAYER

ROWS: tuple[Row, ...] = (*rows_sound.ROWS, *rows_clocks.ROWS, *rows_codecs.ROWS, *rows_words.ROWS, *rows_page.ROWS)


@pytest.fixture(scope="module")
def field(
    request: pytest.FixtureRequest, quick_session: Session, products: Products, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Field]:
    with products.busy(), Field(quick_session, tmp_path_factory.mktemp("field")) as field:
        wanted = {item.name for item in request.session.items}
        for row in ROWS:
            if f"test_field[{row.name}]" in wanted and playable(row):
                field.begin(row)
        yield field


def test_rows_have_names_of_their_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


def playable(row: Row) -> bool:
    return HAS_PLAYER or not row.browser


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=row.name, marks=() if playable(row) else (NEEDS_PLAYER,)) for row in ROWS]
)
@pytest.mark.timeout(1200)
def test_field(field: Field, row: Row) -> None:
    live = field.played(row)
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
