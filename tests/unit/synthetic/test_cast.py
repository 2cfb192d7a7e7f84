from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import pytest

from synthetic import cast
from synthetic.cast import ASSETS_VARIABLE, CastError, Person, jpeg, load_cast


@pytest.fixture(params=sorted(load_cast()))
def person(request: pytest.FixtureRequest) -> Person:
    return load_cast()[request.param]


def test_without_the_optional_photographs_there_are_two_people(tmp_path: Path) -> None:
    assert list(load_cast(tmp_path)) == ["astronaut", "admiral"]


def test_a_folder_of_photographs_adds_its_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cv2.imwrite(str(tmp_path / "zidane.jpg"), np.full((720, 1280, 3), 90, np.uint8))
    assert set(load_cast(tmp_path)) == {"astronaut", "admiral", "player", "coach"}
    monkeypatch.setenv(ASSETS_VARIABLE, str(tmp_path))
    assert set(load_cast()) == {"astronaut", "admiral", "player", "coach"}


def test_a_broken_photograph_is_told_apart_from_a_missing_one(tmp_path: Path) -> None:
    (tmp_path / "bus.jpg").write_bytes(b"not a photograph")
    with pytest.raises(CastError, match=r"bus\.jpg does not decode"):
        load_cast(tmp_path)


def test_a_package_that_should_be_there_is_missed_by_name(tmp_path: Path) -> None:
    with (
        mock.patch.object(cast, "package_folder", return_value=None),
        pytest.raises(CastError, match="astronaut and admiral"),
    ):
        load_cast(tmp_path)


def test_an_unknown_package_has_no_folder() -> None:
    assert cast.package_folder("no_such_package_at_all") is None
    assert cast.package_folder("skimage", "no_such_folder") is None


def test_the_face_is_inside_the_cutout_and_opaque(person: Person) -> None:
    height, width = person.alpha.shape
    face = person.face
    assert 0 <= face.x1 < face.x2 <= width
    assert 0 <= face.y1 < face.y2 <= height
    # The faces of the profile and of the bearded man do not fill their boxes; the others' do.
    assert person.alpha[int(face.y1) : int(face.y2), int(face.x1) : int(face.x2)].mean() > 0.7
    assert person.alpha[int(face.centre[1]), int(face.centre[0])] == 1.0


def test_the_cutout_is_cut_out(person: Person) -> None:
    assert person.cutout.shape == (*person.alpha.shape, 3)
    assert person.alpha[0, 0] == person.alpha[0, -1] == 0.0
    assert 0.3 < person.alpha.mean() < 0.95


def test_the_photo_to_enroll_from_is_the_person(person: Person) -> None:
    """The cut-out's face is found in the photo, at its full size."""
    x1, y1, x2, y2 = (int(edge) for edge in person.face)
    score = cv2.matchTemplate(person.photo, person.cutout[y1:y2, x1:x2], cv2.TM_CCOEFF_NORMED)
    assert score.max() > 0.999


def test_photos_encode_as_jpeg(person: Person) -> None:
    decoded = cv2.imdecode(np.frombuffer(jpeg(person.photo), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == person.photo.shape
    assert np.abs(decoded.astype(int) - person.photo).mean() < 4
