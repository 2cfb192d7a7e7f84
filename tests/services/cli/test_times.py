"""Times as people type them."""

import datetime
from types import SimpleNamespace

import pytest
import typer

from services.cli.times import moment

ZONE = datetime.timezone(datetime.timedelta(hours=9))


class _InSeoul(datetime.datetime):
    """A time on a machine in Korea, whatever machine it is."""

    def astimezone(self, tz: datetime.tzinfo | None = None) -> "_InSeoul":
        return self.replace(tzinfo=ZONE) if tz is None and self.tzinfo is None else super().astimezone(tz)


@pytest.fixture(autouse=True)
def in_seoul(monkeypatch: pytest.MonkeyPatch) -> None:
    there = SimpleNamespace(date=datetime.date, time=datetime.time, datetime=_InSeoul)
    monkeypatch.setattr("services.cli.times.datetime", there)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2030-12-31", "2030-12-31T23:59:59+09:00"),
        ("2030-12-31T18:00", "2030-12-31T18:00:00+09:00"),
        ("2030-12-31 18:00:05", "2030-12-31T18:00:05+09:00"),
        ("2030-12-31T18:00:00+01:00", "2030-12-31T18:00:00+01:00"),
        ("2030-12-31T09:00:00Z", "2030-12-31T09:00:00+00:00"),
    ],
)
def test_a_day_means_its_end_and_no_zone_this_machines(typed: str, meant: str) -> None:
    assert moment(typed) == meant


@pytest.mark.parametrize("typed", ["", "tomorrow", "31.12.2030", "2030-02-30", "2030-12-31T25:00"])
def test_what_is_no_time_is_answered_with_examples(typed: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"2030-12-31 \(to the end of that day\)"):
        moment(typed)
