"""The scene-cut measure on real clips: every hard cut, and nothing where people only move."""

import os
from pathlib import Path

import pytest

from mosaicast.adapters.media.opening import limit_libraries, open_source
from mosaicast.adapters.media.pictures import Picture
from mosaicast.core.sampling import SceneCutDetector

VIDEO = Path(os.environ.get("MOSAICAST_DATA", "/nowhere")) / "video"

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not VIDEO.is_dir(), reason="MOSAICAST_DATA names no folder with clips"),
]


@pytest.mark.parametrize(
    ("name", "cuts"),
    [
        ("short_hamilton_clip.mp4", [20, 82, 211]),  # dark stage, fast close-ups between the cuts
        ("messi_team_768x432.mp4", [316]),
        ("billhyland.mp4", []),
        ("crowd_street_640x360.mp4", []),  # people cross the lens out of focus
        ("grok_generated_walkers_752x416.mp4", []),
        ("kr_interview_720p.mp4", [120, 575, 635]),  # full-screen graphics and gradings that come and go at once
    ],
)
def test_cuts_are_found_and_motion_is_not(name: str, cuts: list[int]) -> None:
    limit_libraries()
    detector = SceneCutDetector()
    with open_source(str(VIDEO / name), live=False) as source:
        pictures = (event for event in source.events() if isinstance(event, Picture))
        assert [n for n, picture in enumerate(pictures) if detector.update(picture.thumbnail())] == cuts
