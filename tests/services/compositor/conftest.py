"""A clip, and an engine that is to mask it."""

from pathlib import Path

import pytest

from tests.adapters.av_clips import make_clip
from tests.services.compositor.media import spec
from tests.services.compositor.rig import Rig


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "plain.flv"
    make_clip(path, frames=75)
    return path


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.engine.on_spec(spec())
    return rig
