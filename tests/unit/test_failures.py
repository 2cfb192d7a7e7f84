"""What viewers saw when something failed: how it is summed up, and that the page tells of every tested fault."""

from pathlib import Path

import pytest

from bench.failures import CALM_FRAMES, Fault, Observation, load, record, recovered_s, shown_s, table
from synthetic.playback import PlaybackReport
from synthetic.session import Books, Sighting
from tests.e2e.test_faults import EMBEDDED_LACKS, FAULTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "failures.md"


def frames(kinds: str, *, clear: bool = True, begin_s: float = 0.0) -> list[Sighting]:
    """30 frames a second: c is painted by regions, m wholly mosaicked, - is none."""
    return [
        Sighting(begin_s + place / 30, "clean" if kind == "c" else "full_mosaic", place if kind == "c" else None,
                 clear=clear and kind == "c", shown=clear and kind == "c")
        for place, kind in enumerate(kinds) if kind != "-"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kinds", "back"),
    [
        ("", None),
        ("c" * 60 + "m" * 20, None),
        ("c" * 40 + "m" * 20 + "c" * (CALM_FRAMES - 1), None),
        ("c" * 60 + "m" * 20 + "c" * CALM_FRAMES, 80),
        ("c" * 60 + "m" * 20 + "c" * CALM_FRAMES + "m", 80),
        ("c" * 60 + "m" * 20 + "c" * 20 + "m" + "c" * CALM_FRAMES, 101),
        ("c" * 60 + "-" * 40 + "c" * CALM_FRAMES, 100),
        ("c" * 100, 45),
    ],
)
def test_it_has_recovered_after_a_second_of_frames_that_were_not_on_their_way(kinds: str, back: int | None) -> None:
    fault = Fault("a fault", "real", 0.0, 0.0)
    expected = None if back is None else pytest.approx(back / 30, abs=1e-6)
    assert recovered_s(frames(kinds), fault) == expected


def test_a_fault_that_lasts_is_recovered_from_after_its_end() -> None:
    assert recovered_s(frames("c" * 200), Fault("a fault", "real", 0.0, 4.0)) == pytest.approx(4.0)


def test_the_enrolled_are_back_when_they_stay() -> None:
    fault = Fault("a fault", "real", 0.0, 0.0)
    hidden = frames("c" * 60, clear=False)
    unknown = [Sighting(one.arrival_s, "clean", 1, clear=False, shown=False) for one in frames("c" * 5, begin_s=2.0)]
    back = frames("c" * 50, begin_s=2.3)
    masked = [Sighting(one.arrival_s, "full_mosaic", None, clear=False, shown=False) for one in hidden]
    assert shown_s(masked, fault) is None
    assert shown_s([*masked, *unknown, *back], fault) == pytest.approx(2.3)


def test_a_fault_that_only_masks_the_enrolled_is_told_too() -> None:
    fault = Fault("a fault", "real", 1.0, 2.0)
    seen = [*frames("c" * 60, clear=False), *frames("c" * 60, begin_s=2.0)]
    report = PlaybackReport(len(seen), {}, (), 0.5, (), 0, 0, 0, 0.1, None, None)
    observed = Observation.of(fault, seen, report, Books(120, 120, {}, {}))
    assert "| the enrolled person masked for 1.0 s |" in table([observed])


def test_rows_are_medians_of_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSAICAST_FAILURES", str(tmp_path))
    for recovery_s, pause_s, late in ((1.0, 0.1, 4), (2.0, 2.0, 6), (9.0, 3.0, 8)):
        record(Observation("a fault", "real", 1.5, pause_s, recovery_s, None, {"late": late}, 0, 300))
    row = "| a fault | Kafka | all mosaic for 1.5 s, a pause of 2.0 s | 2.0 s | 9.0 s | - | 3 | 6 late | 0 |"
    assert row in table(load(tmp_path)).splitlines()


@pytest.mark.parametrize("broker", ["embedded", "Kafka"])
def test_the_page_tells_of_every_fault_that_is_tested(broker: str) -> None:
    page = PAGE.read_text()
    tested = set(FAULTS) - (EMBEDDED_LACKS if broker == "embedded" else set())
    assert {fault for fault in tested if f"| {fault} | {broker} |" not in page} == set()
    assert f"at random, 180 s | {broker} |" in page
    assert f"clock goes back | {broker} |" in page
    shown = [line.rsplit("|", 2)[1].strip() for line in page.splitlines() if f"| {broker} |" in line]
    assert set(shown) == {"0"}, "strangers"
