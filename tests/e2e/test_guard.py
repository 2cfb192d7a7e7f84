"""The output guard on a whole product whose painter has a bug."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mosaicast.runtime.processes import ProcessSpec
from services.cli.client import ApiClient
from services.cli.stack import Stack, StackOptions
from synthetic.oracle import Oracle
from synthetic.session import LiveStream, LiveWatch, Session, wait_until
from tests.e2e.conftest import FPS, TOKEN

LONG_S = 60.0
"""Far beyond what is needed; only a test that fails waits so long."""


class PlantedStack(Stack):
    """A stack whose compositor forgets to paint after seven seconds."""

    def _specs(self, bootstrap: str) -> Iterator[ProcessSpec]:
        for spec in super()._specs(bootstrap):
            planted = [sys.executable, "-m", "tests.e2e.planted_compositor"]
            yield replace(spec, command=planted) if spec.name == "compositor" else spec


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("planted")
    options = StackOptions(folder / "data", rtmp_port=0, http_port=0, api_port=0, admin_token=TOKEN)
    with PlantedStack(options) as stack:
        addresses = stack.start()
        with ApiClient(addresses.api_url, TOKEN) as api:
            yield Session(stack, api, folder)


def test_a_painter_that_forgets_to_paint_is_caught(planted: Session, pair_clip: Path, pair_oracle: Oracle) -> None:
    stream = planted.create("forgetful")

    def trips() -> int:
        return int(planted.status(stream)["guard_trips"])

    with planted.publish(pair_clip, stream), LiveWatch(stream.rtmp_url, pair_oracle) as watch:
        wait_until(lambda: watch.count("clean") >= 5 * FPS, LONG_S, "masked frames")
        assert trips() == 0, "a painter that paints trips nothing"
        wait_until(lambda: watch.count("leak") > 0, LONG_S, "the bug")
        wait_until(lambda: trips() >= 2, LONG_S, "two trips")
        wait_until(lambda: "without a mask" in planted.status(stream)["reason"], LONG_S, "a reason in the status")
    assert watch.count("full_mosaic") > 0
    assert mosaicked_by_the_guard(planted, stream) >= 30
    log = planted.stack.process("compositor").spec.log_path.read_text()
    assert "guard_tripped" in log


def mosaicked_by_the_guard(session: Session, stream: LiveStream) -> int:
    return int(session.books(stream).full_mosaic.get("guard", 0))
