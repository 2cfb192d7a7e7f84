"""The face of a photo at its file's full size: a phone's photo, its part, its squares."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mosaicast.adapters.detectors import RawFace
from mosaicast.adapters.media import jpeg as jpegs
from mosaicast.adapters.media.photo_file import Decoded, PhotoError, read
from mosaicast.core.types import Box
from mosaicast.imaging.types import Landmarks
from services.api.people.enrollment import KEPT_GROWTH, Enroller
from services.api.people.face_models import Network, Vectors
from services.api.people.finding import TILE_SIDE, find, in_tiles
from tests.fakes.detector import raw_face
from tests.services.api.people_tools import LocalDecoder, jpeg, models, portrait

Picture = NDArray[np.uint8]
PHONE_WH = (4032, 3024)


def phone_photo(face_px: float, at: tuple[int, int] = (2600, 1400), size_wh: tuple[int, int] = PHONE_WH) -> Picture:
    """The astronaut far away in a large photo: her face is so many pixels wide."""
    near = portrait("astronaut")
    box = models().find(near, 0.5)[0].box
    scale = face_px / min(box.width, box.height)
    small = np.asarray(cv2.resize(near, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    canvas = np.full((size_wh[1], size_wh[0], 3), 110, np.uint8)
    canvas[at[1] : at[1] + small.shape[0], at[0] : at[0] + small.shape[1]] = small
    return canvas


@dataclass
class NotingDecoder(LocalDecoder):
    """Reads, and notes what parts were asked for."""

    parts: list[Box | None] = field(default_factory=list)

    def decode(self, data: bytes, part: Box | None = None) -> Decoded:
        self.parts.append(part)
        return read(data, part)


@dataclass
class ToldModels:
    """Models that see what they are told."""

    see: Callable[[Picture], Sequence[RawFace]]
    networks: tuple[Network, ...] = ()
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def find(self, picture: Picture, threshold: float) -> list[RawFace]:
        self.shapes.append(picture.shape[:2])
        return list(self.see(picture))

    def find_filmed(self, picture: Picture, threshold: float) -> list[RawFace]:
        return self.find(picture, threshold)

    def embed_largest(self, picture: Picture, threshold: float) -> Vectors | None:
        raise AssertionError("nobody is embedded here")

    def embed(self, picture: Picture, landmarks: Landmarks) -> Vectors:
        raise AssertionError("nobody is embedded here")

    def nearest_of_crowd(self, vectors: Vectors) -> tuple[float, ...]:
        raise AssertionError("nobody is embedded here")


def test_a_phones_photo_is_judged_and_kept_at_its_full_size() -> None:
    judged = Enroller(LocalDecoder(), models()).judge("phone.jpg", jpeg(phone_photo(126)))
    assert judged.verdict == "ok"
    assert judged.good is not None
    width, _ = jpegs.size_wh(judged.good.photo)
    kept = models().find(jpegs.decode(judged.good.photo), 0.5)[0].box
    assert min(kept.width, kept.height) == pytest.approx(126, rel=0.1)
    assert width == pytest.approx(KEPT_GROWTH * max(kept.width, kept.height), rel=0.1)


def test_what_is_kept_of_a_phones_photo_is_as_like_the_person_as_a_near_one() -> None:
    enroller = Enroller(LocalDecoder(), models())
    near = enroller.judge("near.jpg", jpeg(portrait("astronaut"))).good
    far = enroller.judge("far.jpg", jpeg(phone_photo(126))).good
    assert near is not None
    assert far is not None
    assert [float(one @ other) > 0.95 for one, other in zip(near.vectors, far.vectors, strict=True)] == [True, True]


@pytest.mark.parametrize(("orientation", "turn"), [(6, cv2.ROTATE_90_COUNTERCLOCKWISE), (3, cv2.ROTATE_180)])
def test_a_phones_photo_that_lies_on_its_side(orientation: int, turn: int) -> None:
    lying = np.asarray(cv2.rotate(phone_photo(126), turn), np.uint8)
    judged = Enroller(LocalDecoder(), models()).judge("phone.jpg", jpeg(lying, exif=orientation))
    assert (judged.verdict, "EXIF" in judged.note) == ("ok", True)


def test_a_face_at_the_edge_of_a_phones_photo() -> None:
    photo = phone_photo(150, at=(0, 0))
    assert Enroller(LocalDecoder(), models()).judge("phone.jpg", jpeg(photo)).verdict == "ok"


def test_a_face_that_is_small_in_the_file_too_is_too_small() -> None:
    judged = Enroller(LocalDecoder(), models()).judge("small.jpg", jpeg(phone_photo(36, (900, 700), (1600, 1200))))
    assert judged.verdict == "too_small"


def test_a_small_file_is_read_once() -> None:
    decoder = NotingDecoder()
    sight = find(decoder, models(), jpeg(portrait("astronaut")))
    assert (len(sight.faces), decoder.parts) == (1, [None])


def test_a_large_face_is_read_once() -> None:
    decoder = NotingDecoder()
    large = np.asarray(cv2.resize(portrait("astronaut"), (2400, 2400)), np.uint8)
    sight = find(decoder, models(), jpeg(large))
    assert (len(sight.faces), decoder.parts) == (1, [None])


def test_where_two_faces_compete_nothing_nearer_is_read() -> None:
    pair = [raw_face(Box(100, 100, 150, 160), 0.9), raw_face(Box(300, 100, 350, 160), 0.9)]
    decoder = NotingDecoder()
    sight = find(decoder, ToldModels(lambda _: pair), jpeg(np.zeros((2400, 3200, 3), np.uint8)))
    assert (len(sight.faces), decoder.parts, sight.photo.scale) == (2, [None], 0.5)


def test_a_face_that_is_not_found_again_nearer_is_taken_as_it_was_seen_first() -> None:
    first = raw_face(Box(100, 100, 150, 160), 0.9)

    def only_from_afar(picture: Picture) -> list[RawFace]:
        return [first] if picture.shape[1] == 1600 else []

    decoder = NotingDecoder()
    sight = find(decoder, ToldModels(only_from_afar), jpeg(np.zeros((2400, 3200, 3), np.uint8)))
    assert list(sight.faces) == [first]
    assert sight.photo.part == Box(0, 0, 3200, 2400)
    assert decoder.parts[1] == pytest.approx((34, 44, 466, 476))


def test_a_photo_that_is_too_large_to_read_at_full_size_is_taken_as_it_was_seen_first() -> None:
    class Small(LocalDecoder):
        def decode(self, data: bytes, part: Box | None = None) -> Decoded:
            if part is not None:
                raise PhotoError("too_large", "the picture takes too much memory to read")
            return read(data)

    first = raw_face(Box(100, 100, 150, 160), 0.9)
    sight = find(Small(), ToldModels(lambda _: [first]), jpeg(np.zeros((2400, 3200, 3), np.uint8)))
    assert (list(sight.faces), sight.photo.scale) == ([first], 0.5)


def test_nearer_the_face_that_was_meant_counts_first_and_the_others_compete() -> None:
    first = raw_face(Box(400, 400, 450, 460), 0.9)

    def nearer(picture: Picture) -> list[RawFace]:
        if picture.shape[1] == 1600:
            return [first]
        return [raw_face(Box(0, 0, 200, 210), 0.95), raw_face(Box(166, 156, 266, 276), 0.9)]

    sight = find(NotingDecoder(), ToldModels(nearer), jpeg(np.zeros((2400, 3200, 3), np.uint8)))
    assert [face.box.x1 for face in sight.faces] == [166, 0]


def test_a_photo_without_a_face_is_looked_at_in_squares_that_cover_all_of_it() -> None:
    told = ToldModels(lambda _: [])
    assert in_tiles(told, np.zeros((1200, 1600, 3), np.uint8)) == []
    assert told.shapes == [(TILE_SIDE, TILE_SIDE)] * 6
    assert in_tiles(ToldModels(lambda _: []), np.zeros((800, 700, 3), np.uint8)) == []


def test_a_face_in_two_squares_is_one_face_and_lies_where_it_is() -> None:
    picture = np.zeros((900, 1600, 3), np.uint8)
    picture[500, 700] = 255

    def around_the_dot(tile: Picture) -> list[RawFace]:
        return [raw_face(Box(x - 20, y - 25, x + 20, y + 25), 0.9) for y, x in np.argwhere(tile[:, :, 0])]

    (face,) = in_tiles(ToldModels(around_the_dot), picture)
    assert face.box == Box(680, 475, 720, 525)
    assert np.mean(face.landmarks[::2]) == pytest.approx(700, abs=12)
