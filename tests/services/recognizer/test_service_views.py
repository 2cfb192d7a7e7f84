"""The recognizer with networks that tell how well they see a face."""

from dataclasses import replace

import pytest

from mosaicast.core.identity import IdentityPolicy, ViewPolicy
from mosaicast.pipeline.ports import Quality
from services.recognizer.policy import FaceMatcher, policy_for
from tests.services.recognizer.fakes import face, spec
from tests.services.recognizer.test_service import ANA, Stage, clear


def test_with_networks_that_tell_a_face_that_only_its_own_looks_know_stays_clear(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And verdicts say since when it has been the person."""
    stage = Stage(monkeypatch, replace(IdentityPolicy(), views=ViewPolicy()), o1={"ana": ANA})
    stage.specs.put(spec())
    quality = Quality(votes_from=0.5, clear_from=0.9, like_before=0.35, like_own=0.6)
    for matcher in stage.matchers:
        matcher.embedder.quality = quality  # type: ignore[misc]
    stage.matchers = [FaceMatcher(matcher.embedder, matcher.gallery) for matcher in stage.matchers]
    first = next(verdict for verdict in stage.watch(12, face(value=ANA)) if clear(verdict)[0])
    assert first.tracks[0].back_s == pytest.approx(0.4, abs=0.11)
    turned = ANA + 30
    assert all(clear(verdict)[0] for verdict in stage.watch(30, face(value=turned)))
    assert stage.gallery.versions("o1").keys() == {"ana"}
    assert not any(clear(verdict)[0] for verdict in stage.watch(30, face(600, value=turned))), "another track"


def test_networks_that_were_measured_are_asked_at_every_look_and_others_are_not() -> None:
    told = policy_for(["mobilefacenet-512", "mobilefacenet-192"])
    assert told.views is not None
    assert told.drop < told.stay < told.similarity
    for others in (["dlib-resnet", "facenet-casia"], ["dlib-resnet", "mobilefacenet-192"], ["arcface"]):
        assert policy_for(others).views is None
    alone = policy_for(["mobilefacenet-512"])
    assert alone.views is not None
    assert alone.second is None
