"""Whoever is enrolled by one owner is nobody on another owner's stream, whatever the owners are called."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mosaicast.adapters.gallery.qdrant import GalleryConfig, QdrantGallery
from mosaicast.core.types import OwnerId, PersonId

DIMENSION = 8
ODD = ["", ".", "..", "/", "a/../b", "a", "A", "a ", "a\0", "ä", "a\u0308", "\ud800", "*", "faces-m-1", "x" * 300]
OWNERS = st.one_of(st.sampled_from(ODD), st.text(max_size=5))
PEOPLE = st.sampled_from(["ana", "ben", "", "a", "\0"])


def vectors(count: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(count, DIMENSION))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(OWNERS, PEOPLE, st.integers(1, 3)), max_size=6), OWNERS, st.booleans())
def test_only_an_owners_own_people_match_each_by_their_own_templates(
    enrolled: list[tuple[OwnerId, PersonId, int]], stranger: OwnerId, sealed: bool
) -> None:
    held: dict[OwnerId, dict[PersonId, list[np.ndarray]]] = {stranger: {}}
    with tempfile.TemporaryDirectory() as folder:
        config = GalleryConfig("m", "1", DIMENSION, Path(folder) / "q", key=bytes(32) if sealed else None)
        gallery = QdrantGallery(config)
        for number, (owner, person, count) in enumerate(enrolled):
            gallery.upsert_templates(owner, person, vectors(count, number))
            held.setdefault(owner, {}).setdefault(person, []).extend(vectors(count, number))
        looks = np.concatenate([vectors(1, 1000), *(vectors(count, n) for n, (_, _, count) in enumerate(enrolled))])
        reader = QdrantGallery(config)
        for owner, people in held.items():
            assert reader.refresh(owner).keys() == people.keys()
            for look, matches in zip(looks, reader.search(OwnerId(owner), looks), strict=True):
                best = {person: float(max(look @ template for template in own)) for person, own in people.items()}
                assert {match.person_id for match in matches} == best.keys()
                similarities = [match.similarity for match in matches]
                assert similarities == sorted(similarities, reverse=True)
                for match in matches:
                    assert abs(match.similarity - best[match.person_id]) < 1e-6
