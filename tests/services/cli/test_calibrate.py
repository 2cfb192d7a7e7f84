"""`mosaicast calibrate`: what it counts, what it refuses, and a report that stands alone."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mosaicast.adapters.detectors import RawFace
from mosaicast.adapters.embedders import Face
from mosaicast.adapters.media.photo_file import Decoded, PhotoError
from mosaicast.core.identity import IdentityPolicy
from mosaicast.core.types import Box
from services.cli.calibrate import Request, run, write
from services.cli.calibration import boxes, people, report
from tests.fakes.detector import FakeDetector
from tests.fakes.embedder import FakeEmbedder

FRONTAL = (0.3, 0.4, 0.7, 0.4, 0.5, 0.6, 0.35, 0.8, 0.65, 0.8)
"""Landmarks in shares of the box."""
TURNED = (0.3, 0.4, 0.7, 0.4, 0.75, 0.6, 0.35, 0.8, 0.65, 0.8)


def face(x: float, y: float, side: float, score: float = 0.9, marks: Sequence[float] = FRONTAL) -> RawFace:
    a, b, c, d, e, f, g, h, i, j = ((x if place % 2 == 0 else y) + share * side for place, share in enumerate(marks))
    return RawFace(Box(x, y, x + side, y + side), score, (a, b, c, d, e, f, g, h, i, j))


class _Reader:
    """Pictures named `WORD_NUMBER`: sharp noise of that number, unless the word says otherwise."""

    def read(self, path: Path) -> Decoded:
        if "broken" in path.name:
            raise PhotoError("unreadable", "the file is broken")
        noise = np.random.default_rng(int(path.stem.rpartition("_")[2]) % 2**32)
        picture = noise.integers(0, 255, (200, 200, 3), np.uint8)
        picture[0, 0] = tuple(path.stem.encode()[:3])
        shown = np.full_like(picture, 90) if "flat" in path.name else picture
        return Decoded(shown, turned=False, part=Box(0, 0, shown.shape[1], shown.shape[0]))


def named_faces(picture: NDArray[np.uint8]) -> Sequence[RawFace]:
    """See what the first letters of the picture's name say."""
    known = {
        "emp": [],
        "two": [face(0, 0, 80), face(100, 100, 70)],
        "bys": [face(0, 0, 100), face(150, 150, 30)],
        "sma": [face(0, 0, 30)],
        "tur": [face(50, 50, 100, marks=TURNED)],
    }
    return known.get(picture[0, 0].tobytes().decode(), [face(50, 50, 100)])


def network(name: str, noise: float) -> FakeEmbedder:
    """One axis for each person (the first letter), and as much of another as the network is bad."""

    def sees(one: Face) -> Sequence[float]:
        numbers = [0.0] * 32
        numbers[one.picture[0, 0].tobytes()[0] % 16] = 1.0
        numbers[16 + int(one.picture[100, 100, 0]) % 16] += noise
        return numbers

    return FakeEmbedder(sees, 32, name)


def fill(folder: Path, named: Mapping[str, Sequence[str]]) -> Path:
    for person, files in named.items():
        (folder / person).mkdir(parents=True)
        for file in files:
            (folder / person / file).write_bytes(b"x")
    return folder


def request(folder: Path, tmp_path: Path, **changed: Any) -> Request:
    kept: dict[str, Any] = {
        "pairs": None,
        "detection": False,
        "fmr": 0.01,
        "smallest_px": 20.0,
        "out": tmp_path / "out",
    }
    return Request(folder=folder, **{**kept, **changed})


def calibrated(asked: Request, embedders: Sequence[Any] = (network("one", 0.3),)) -> dict[str, Any]:
    return dict(run(asked, list(embedders), FakeDetector(named_faces), _Reader()).figures)


@pytest.fixture
def three(tmp_path: Path) -> Path:
    names = {
        person: [f"{person}_{number}.jpg" for number in range(at, at + 5)] for person, at in (("ann", 1), ("bob", 6))
    }
    return fill(tmp_path / "pictures", {**names, "cat": ["cat_20.jpg", "cat_21.png", "cat_22.webp"]})


# --- people ---------------------------------------------------------------------------------------------------


def test_all_are_compared_with_all(three: Path, tmp_path: Path) -> None:
    found = calibrated(request(three, tmp_path))
    assert found["persons"] == 3
    assert found["comparisons"] == {"genuine": 10 + 10 + 3, "impostor": 25 + 15 + 15}
    assert found["person_pairs"] == 3
    assert found["pictures"] == {"ok": 13}


def test_a_network_that_tells_people_apart_is_said_to(three: Path, tmp_path: Path) -> None:
    network = calibrated(request(three, tmp_path))["networks"]["one"]
    assert network["true_match_rate"] == 1.0
    assert network["false_match_rate"] == 0.0
    assert network["equal_error_rate"] == 0.0
    assert network["average_precision"] == pytest.approx(1.0)
    assert 0.0 < network["threshold"] < 1 / (1 + 0.3**2)


def test_few_strangers_prove_no_small_rate_and_it_says_so(three: Path, tmp_path: Path) -> None:
    advice = run(request(three, tmp_path), [network("one", 0.3)], FakeDetector(named_faces), _Reader())
    assert advice.figures["networks"]["one"]["proven"] is False
    assert "too few of them to prove" in advice.sentences[0]
    easy = run(request(three, tmp_path, fmr=0.2), [network("one", 0.3)], FakeDetector(named_faces), _Reader())
    assert easy.figures["networks"]["one"]["proven"] is True


def test_two_networks_that_both_have_to_agree(three: Path, tmp_path: Path) -> None:
    found = calibrated(request(three, tmp_path), [network("good", 0.2), network("bad", 3.0)])
    assert found["both"]["true_match_rate"] == 1.0
    assert found["both"]["thresholds"].keys() == {"good", "bad"}
    assert found["networks"]["bad"]["equal_error_rate"] > 0.0


def test_tracks_need_as_many_pictures_as_votes(three: Path, tmp_path: Path) -> None:
    tracks = calibrated(request(three, tmp_path))["networks"]["one"]["tracks"]
    assert tracks == {
        "votes": IdentityPolicy().votes,
        "own": 3,
        "own_visible": 3,
        "strangers": 6,
        "strangers_visible": 0,
    }


def test_every_picture_that_does_not_count_is_counted(tmp_path: Path) -> None:
    odd = ["empty_1.jpg", "two_2.jpg", "small_3.jpg", "turned_4.jpg", "flat_5.jpg", "broken_6.jpg", "bystander_7.jpg"]
    folder = fill(tmp_path / "p", {"ann": ["ann_1.jpg", "ann_2.jpg", *odd], "bob": ["bob_3.jpg", ".hidden_4"]})
    found = calibrated(request(folder, tmp_path))
    assert found["pictures"] == {
        "ok": 4,
        "no_face": 1,
        "several_faces": 1,
        "too_small": 1,
        "turned_away": 1,
        "blurred": 1,
        "unreadable": 1,
    }
    assert found["unreadable"] == ["broken_6.jpg: the file is broken"]


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ({}, "no pictures"),
        ({"ann": []}, "no pictures"),
        ({"ann": ["ann_1.jpg", "ann_2.jpg"]}, "one person only"),
        ({"ann": ["ann_1.jpg", "ann_2.jpg"], "bob": ["empty_1.jpg"]}, "only one person .*1 no face"),
        ({"ann": ["empty_1.jpg"], "bob": ["broken_1.jpg"]}, "none of the pictures .*1 no face, 1 unreadable"),
        ({"ann": ["ann_1.jpg"], "bob": ["bob_2.jpg"]}, "nobody has two pictures"),
    ],
)
def test_pictures_that_calibrate_nothing(tmp_path: Path, named: dict[str, list[str]], sentence: str) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    with pytest.raises(people.CalibrationError, match=sentence):
        calibrated(request(fill(folder, named), tmp_path))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    for detection in (False, True):
        with pytest.raises(people.CalibrationError, match="not a folder"):
            calibrated(request(tmp_path / "nowhere", tmp_path, detection=detection))


def test_too_many_pictures_ask_for_pairs(three: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "MOST_PICTURES", 12)
    with pytest.raises(people.CalibrationError, match="13 pictures, more than 12"):
        calibrated(request(three, tmp_path))


# --- pairs ----------------------------------------------------------------------------------------------------


def listed(tmp_path: Path, *rows: str, head: str = "file_a,file_b,same") -> Path:
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join((head, *rows)) + "\n")
    return path


def test_pairs_are_compared_as_they_are_listed(three: Path, tmp_path: Path) -> None:
    pairs = listed(
        tmp_path, "ann/ann_1.jpg,ann/ann_2.jpg,1", "ann/ann_1.jpg,bob/bob_6.jpg,0", "cat/cat_20.jpg,bob/bob_7.jpg,0"
    )
    found = calibrated(request(three, tmp_path, pairs=pairs))
    assert found["comparisons"] == {"genuine": 1, "impostor": 2}
    assert found["pictures"] == {"ok": 5}, "each picture once"
    assert found["networks"]["one"]["tracks"]["strangers"] == 0


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ((), "names no pairs"),
        (("a,b,yes",), "1 or 0, not 'yes'"),
        (("../../secret,b,1",), "outside"),
        (("/etc/passwd,b,1",), "outside"),
        (("ann/ann_1.jpg",), "no columns"),
        (("ann/ann_1.jpg,ann/ann_2.jpg,1",), "no pair of two persons"),
        (("ann/ann_1.jpg,bob/bob_6.jpg,0",), "no pair of the same person"),
    ],
)
def test_a_list_that_pairs_nothing(three: Path, tmp_path: Path, rows: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(people.CalibrationError, match=sentence):
        calibrated(request(three, tmp_path, pairs=listed(tmp_path, *rows)))


def test_a_list_with_other_columns_or_none(three: Path, tmp_path: Path) -> None:
    with pytest.raises(people.CalibrationError, match="no columns"):
        calibrated(request(three, tmp_path, pairs=listed(tmp_path, "a,b,1", head="x,y,z")))
    with pytest.raises(people.CalibrationError, match="can't be read"):
        calibrated(request(three, tmp_path, pairs=tmp_path / "none.csv"))


# --- detection ------------------------------------------------------------------------------------------------


def annotated(tmp_path: Path, *images: dict[str, Any]) -> Path:
    folder = tmp_path / "boxes"
    folder.mkdir()
    (folder / "annotations.json").write_text(json.dumps({"note": "any", "images": images}))
    return folder


def test_detections_are_told_true_from_false(tmp_path: Path) -> None:
    here = {"box_xywh": [50, 50, 100, 100]}
    folder = annotated(
        tmp_path,
        {"file": "right_1.jpg", "faces": [here]},
        {"file": "missed_2.jpg", "faces": [here, {"box_xywh": [0, 0, 40, 40]}]},
        {"file": "wrong_3.jpg", "faces": []},
        {"file": "small_4.jpg", "faces": [{"box_xywh": [0, 0, 30, 10]}]},
        {"file": "marked_5.jpg", "faces": [{**here, "subset": "ignore"}]},
        {"file": "broken_6.jpg", "faces": [here]},
    )
    found = calibrated(request(folder, tmp_path, detection=True))
    assert found["faces"] == {"counted": 3, "ignored": 2}
    assert found["pictures"] == {"read": 5, "unreadable": 1}
    at = found["thresholds"]["balanced"]
    # Of `small_4` the found square lies only to a third on the ignored face.
    assert (at["recall"], at["precision"]) == (pytest.approx(2 / 3), pytest.approx(2 / 4))
    assert found["thresholds"]["enrol"]["proven"] is False


def test_boxes_of_the_file_are_compared_with_what_is_found_in_the_shrunk_picture(tmp_path: Path) -> None:
    class Half(_Reader):
        def read(self, path: Path) -> Decoded:
            read = super().read(path)
            return replace(read, part=Box(*(2 * edge for edge in read.part)))

    folder = annotated(tmp_path, {"file": "one_1.jpg", "faces": [{"box_xywh": [100, 100, 200, 200]}]})
    found = boxes.from_annotations(folder, Half(), FakeDetector(named_faces), 20, iter)
    assert (len(found.true), len(found.false), found.missed) == (1, 0, 0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "has no annotations.json"),
        ("{", "does not read"),
        ('{"images": []}', "names no pictures"),
        ('{"images": [{"file": "a_1.jpg", "faces": [{"box_xywh": [1, 2, 3]}]}]}', "does not read"),
        ('{"images": [{"file": "a_1.jpg", "faces": [{"box_xywh": [1, 2, -3, 4]}]}]}', "does not read"),
        ('{"images": [{"file": "a_1.jpg", "faces": [{"box_xywh": [1, 2, 1e999, 4]}]}]}', "does not read"),
        ('{"images": [{"file": "../a_1.jpg"}]}', "outside"),
        ('{"images": [{"file": "empty_1.jpg"}]}', "no true face"),
    ],
)
def test_annotations_that_say_nothing(tmp_path: Path, text: str | None, sentence: str) -> None:
    if text is not None:
        (tmp_path / "annotations.json").write_text(text)
    with pytest.raises(people.CalibrationError, match=sentence):
        calibrated(request(tmp_path, tmp_path, detection=True))


side = st.floats(0, 100)
box = st.builds(lambda x, y, w, h: Box(x, y, x + w, y + h), side, side, side, side)


@given(st.lists(st.tuples(box, st.floats(0, 1)), max_size=8), st.lists(box, max_size=5), st.lists(box, max_size=3))
def test_every_true_box_is_found_at_most_once(
    found: list[tuple[Box, float]], counted: list[Box], ignored: list[Box]
) -> None:
    hits, wrong = boxes.match(found, counted, ignored)
    assert len(hits) <= len(counted)
    assert len(hits) + len(wrong) <= len(found)
    assert set(hits) | set(wrong) <= {score for _, score in found}


def test_the_better_of_two_boxes_on_a_face_is_the_true_one() -> None:
    truth = Box(0, 0, 10, 10)
    assert boxes.match([(truth, 0.4), (truth, 0.9)], [truth], []) == ([0.9], [0.4])


# --- the report -----------------------------------------------------------------------------------------------


def test_the_report_needs_nothing_else_and_names_nobody(three: Path, tmp_path: Path) -> None:
    asked = request(three, tmp_path)
    page = write(run(asked, [network("one", 0.3), network("two", 0.5)], FakeDetector(named_faces), _Reader()), asked)
    html = page.read_text()
    assert sorted(path.name for path in asked.out.iterdir()) == [
        "det.png", "precision_recall.png", "report.html", "report.json", "roc.png",
    ]  # fmt: skip
    assert html.count("data:image/png;base64,") == 3
    assert not re.search(r"(src|href)=\"(?!data:)", html)
    for name in ("ann", "bob", "cat_"):
        assert not re.search(rf"\b{name}", html + (asked.out / "report.json").read_text())
    assert json.loads((asked.out / "report.json").read_text())["persons"] == 3


def test_file_names_of_strangers_do_not_become_markup() -> None:
    html = report.html("t", ["<b>"], {"unreadable": ["<script>alert(1)</script>.jpg: broken"]}, {'"><script>': b""})
    assert "<script>" not in html
    assert "<b>" not in html


def test_a_figure_is_a_picture_with_something_on_it() -> None:
    x = np.linspace(0, 1, 50)
    figure = report.Figure("f", "title", ("x", "y"), (report.Curve("c", x, x**2),), ((0.5, 0.25),), (0.01, None))
    drawn = cv2.imdecode(np.frombuffer(report.png(figure), np.uint8), cv2.IMREAD_COLOR)
    assert drawn is not None
    assert drawn.shape[1] == round(report.SIZE_INCHES[0] * report.DOTS_PER_INCH)
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 20


@given(st.integers(2, 20_000), st.integers(0, 2**32 - 1))
def test_a_thinned_curve_has_its_ends_and_its_order(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    x, y = np.sort(random.random(count)), np.sort(random.random(count))
    few_x, few_y = report.thinned(x, y)
    assert len(few_x) == len(few_y) <= report.MOST_POINTS
    assert (few_x[0], few_x[-1], few_y[0], few_y[-1]) == (x[0], x[-1], y[0], y[-1])
    assert all(a <= b for a, b in pairwise(few_x.tolist()))
