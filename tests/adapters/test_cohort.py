"""The cohort scorer: a floor for everybody, and a threshold of its own for whoever is like the cohort."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from mosaicast.adapters.embedders import make_embedder
from mosaicast.adapters.embedders.cohort import COHORT_FILE, CohortScorer, cohort_scorer
from mosaicast.adapters.gallery.qdrant import GalleryConfig, QdrantGallery
from mosaicast.adapters.models import load
from mosaicast.adapters.models.errors import ModelBrokenError
from mosaicast.adapters.models.registry import Matching
from mosaicast.core.types import OwnerId

X, Y, Z = np.eye(3, dtype=np.float32)


def matching(label: str) -> Matching:
    return load().get(label).matching


def between(a: np.ndarray, b: np.ndarray, cosine: float) -> np.ndarray:
    """Of length 1, with this cosine to a."""
    return np.asarray(cosine * a + np.sqrt(1 - cosine**2) * b, np.float32)


def test_the_floor_is_just_enough() -> None:
    found = CohortScorer(0.9)(np.stack([X, between(X, Y, 0.9), between(X, Y, 0.8)]), X[None])
    np.testing.assert_allclose(found[:, 0], [0.1, 0.0, -0.1], atol=1e-6)


def test_who_is_like_the_cohort_must_be_more_like_the_person() -> None:
    look = between(X, Z, 0.9)
    without, within = CohortScorer(0.5, 0.05), CohortScorer(0.5, 0.05, look[None])
    assert without(look[None], X[None])[0, 0] == pytest.approx(0.4)
    assert within(look[None], X[None])[0, 0] == pytest.approx(0.9 - 1.05)


def test_a_template_that_is_like_the_cohort_asks_for_more() -> None:
    template = between(X, Y, 0.95)
    rule = CohortScorer(0.5, 0.0, Y[None])
    at = float(Y @ template)
    assert rule(X[None], template[None])[0, 0] == pytest.approx(0.95 - max(0.5, at), abs=1e-6)


@given(arrays(np.float32, (4, 3), elements=st.floats(-1, 1, width=32)))
def test_a_cohort_never_makes_it_easier(vectors: NDArray[np.float32]) -> None:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    looks = np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)
    with_cohort = CohortScorer(0.6, 0.0, np.stack([Y, Z]))(looks, np.stack([X, Y]))
    assert (with_cohort <= CohortScorer(0.6)(looks, np.stack([X, Y])) + 1e-6).all()


def test_numbers_that_mean_nothing_are_like_nobody() -> None:
    assert not (CohortScorer(0.5, 0.0, Y[None])(np.full((1, 3), np.nan, np.float32), X[None]) >= 0).any()


@pytest.mark.parametrize("name", ["dlib-resnet", "facenet-casia", "mobilefacenet-512", "mobilefacenet-192"])
def test_the_shipped_cohort_is_of_the_shipped_networks(name: str, tmp_path: Path) -> None:
    embedder = make_embedder(name, models_dir=tmp_path)
    shipped = cohort_scorer(embedder.name, embedder.version)
    assert shipped.cohort is not None, "raise the version, and make the cohort anew"
    assert shipped.cohort.shape[1] == embedder.dimension
    assert 8 <= len(shipped.cohort) <= 16
    np.testing.assert_allclose(np.linalg.norm(shipped.cohort, axis=1), 1.0, atol=1e-5)
    assert shipped.floor == matching(embedder.name).floor


def test_another_version_of_a_network_has_no_cohort_and_a_higher_floor() -> None:
    found = cohort_scorer("dlib_resnet", "another")
    assert (found.floor, found.cohort) == (matching("dlib_resnet").alone, None)
    assert cohort_scorer("unheard_of", "1").floor == Matching().alone


def test_the_operators_floor_is_taken_and_the_cohort_stays() -> None:
    assert cohort_scorer("unheard_of", "1", floor=0.4) == CohortScorer(0.4)
    version = next(name for name in np.load(COHORT_FILE).files if name.startswith("facenet_casia")).split("|")[1]
    found = cohort_scorer("facenet_casia", version, floor=0.7)
    assert (found.floor, found.margin) == (0.7, matching("facenet_casia").margin)
    assert found.cohort is not None


def test_a_missing_file_is_no_cohort_and_a_broken_one_an_error(tmp_path: Path) -> None:
    assert cohort_scorer("dlib_resnet", "1", tmp_path / "absent.npz").cohort is None
    broken = tmp_path / "broken.npz"
    broken.write_bytes(COHORT_FILE.read_bytes()[:100])
    with pytest.raises(ModelBrokenError):
        cohort_scorer("dlib_resnet", "1", broken)


def test_a_file_with_pickles_is_refused(tmp_path: Path) -> None:
    held = io.BytesIO()
    np.save(held, np.array([{}], object), allow_pickle=True)
    bad = tmp_path / "pickle.npz"
    with zipfile.ZipFile(bad, "w") as archive:
        archive.writestr("dlib_resnet|1.npy", held.getvalue())
    with pytest.raises(ModelBrokenError):
        cohort_scorer("dlib_resnet", "1", bad)


def test_the_gallery_answers_in_what_the_scorer_says(tmp_path: Path) -> None:
    config = GalleryConfig("m", "1", 3, tmp_path, scorer=CohortScorer(0.9, 0.0, Y[None]))
    gallery = QdrantGallery(config)
    gallery.upsert_templates("o", "ana", np.stack([X, between(X, Y, 0.2)]))
    gallery.upsert_templates("o", "ben", Z[None])
    gallery.refresh("o")
    (matches,) = gallery.search(OwnerId("o"), between(X, Z, 0.95)[None])
    assert (matches[0].person_id, round(matches[0].similarity, 4)) == ("ana", 0.05)
    assert [match.person_id for match in matches] == ["ana", "ben"]
