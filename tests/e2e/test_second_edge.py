"""HLS on an edge of another machine: a whole product that sends it there, and what the failures of that edge cost."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaicast.contracts.situations import masking
from services.cli.client import ApiClient
from services.cli.stack import Stack, StackOptions
from synthetic.oracle import Oracle
from synthetic.session import LiveWatch, Session, wait_until
from tests.adapters.hls_stores import control, edge_or_skip
from tests.adapters.rtmp_edge import Edge
from tests.e2e.conftest import FPS, TOKEN
from tests.e2e.hls_watch import HlsWatch
from tests.files import files_under

LONG_S = 90.0


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with edge_or_skip(tmp_path_factory.mktemp("elsewhere"), hls_token="secret-of-hls") as edge:
        yield edge


@pytest.fixture(scope="module")
def product(elsewhere: Edge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("product")
    options = StackOptions(
        folder / "data", rtmp_port=0, http_port=0, api_port=0, admin_token=TOKEN,
        public_hls_url=f"http://127.0.0.1:{elsewhere.config.http_port}/hls",
        environment={"MOSAICAST_HLS__URL": control(elsewhere), "MOSAICAST_HLS__TOKEN": elsewhere.hls_token},
    )  # fmt: skip
    with Stack(options) as stack:
        addresses = stack.start()
        with ApiClient(addresses.api_url, TOKEN) as api:
            yield Session(stack, api, folder)


def test_hls_is_there_and_its_failures_cost_nothing_here(
    product: Session, elsewhere: Edge, pair_clip: Path, pair_oracle: Oracle
) -> None:
    def pictures() -> set[Path]:
        return set(files_under(elsewhere.config.hls_folder, ".ts"))

    stream = product.create("elsewhere")
    with product.publish(pair_clip, stream), contextlib.ExitStack() as watching:
        watch = watching.enter_context(HlsWatch(stream))
        viewer = watching.enter_context(LiveWatch(stream.rtmp_url, pair_oracle))
        wait_until(lambda: watch.count >= 8, LONG_S, "more segments than a playlist lists")
        assert not files_under(product.stack.options.data_dir / "hls", ".ts")

        before = pictures()
        product.api.post(f"/v1/streams/{stream.stream_id}/panic")
        wait_until(lambda: not before & pictures(), LONG_S, "clear segments are gone after panic")
        product.api.delete(f"/v1/streams/{stream.stream_id}/panic")

        elsewhere.kill()
        wait_until(lambda: masking.HLS_EDGE_FAILS.fits(product.status(stream)["reason"]), LONG_S, "a sentence")
        pushed = len(viewer.sightings())
        wait_until(lambda: len(viewer.sightings()) >= pushed + 3 * FPS, LONG_S, "RTMP goes on")
        elsewhere.start_again()
        seen = watch.count
        wait_until(lambda: watch.count >= seen + 3, LONG_S, "segments again")
        wait_until(lambda: product.status(stream)["reason"] == "", LONG_S, "all is well")

        product.api.delete(f"/v1/streams/{stream.stream_id}")
        wait_until(lambda: not pictures(), LONG_S, "nothing is left of a deleted stream")
    log = product.stack.process("compositor").spec.log_path.read_text()
    assert "hls_store_failed" in log
    assert elsewhere.hls_token not in log
