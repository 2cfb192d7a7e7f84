from pathlib import Path

import pytest

from mosaicast.core.allowed import Allowed
from services.ingest.plan import Planner, Reading, Refusal
from tests.services.ingest.fakes import file_spec, push_spec


def test_a_publication_is_read_from_the_edge_with_the_token(tmp_path: Path) -> None:
    plan = Planner("rtmp://edge:1935/", "a/b c", None).plan(push_spec("s1", "p1"))
    assert plan == Reading("p1", "rtmp://edge:1935/live/s1?token=a%2Fb%20c", live=True, allowed=Allowed.live())


def test_without_a_publication_nothing_is_read() -> None:
    assert Planner("rtmp://edge", "t", None).plan(push_spec(publication=None)) is None


def test_a_file_below_the_media_folder_is_read(tmp_path: Path) -> None:
    plan = Planner("rtmp://edge", "t", tmp_path).plan(file_spec("a/b.mp4"))
    assert plan == Reading(":a/b.mp4", str(tmp_path / "a/b.mp4"), live=False, allowed=Allowed.file())


@pytest.mark.parametrize("path", ["../x.mp4", "a/../../x.mp4", "link/x.mp4", "a\0b", ""])
def test_a_file_outside_of_the_media_folder_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "link").symlink_to("/etc")
    assert isinstance(Planner("rtmp://edge", "t", tmp_path).plan(file_spec(path)), Refusal)


def test_an_absolute_path_is_taken_below_the_media_folder(tmp_path: Path) -> None:
    plan = Planner("rtmp://edge", "t", tmp_path).plan(file_spec("/etc/passwd"))
    assert isinstance(plan, Reading)
    assert plan.url == str(tmp_path / "etc/passwd")


def test_without_a_media_folder_no_file_is_read() -> None:
    plan = Planner("rtmp://edge", "t", None).plan(file_spec("x.mp4"))
    assert isinstance(plan, Refusal)
    assert "media folder" in plan.text


def test_another_publication_of_a_file_is_another_reading(tmp_path: Path) -> None:
    planner = Planner("rtmp://edge", "t", tmp_path)
    plans = [planner.plan(push_spec(publication=name, source=file_spec("x.mp4").source)) for name in ("p1", "p2")]
    assert plans[0] != plans[1]
