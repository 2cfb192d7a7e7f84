"""A whole product for each module: real edge, broker, publisher and viewer, on free ports."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from bench.session import Session
from bench.synthetic import presets
from bench.synthetic.cast import Person, load_cast
from bench.synthetic.clip import write_clip
from bench.synthetic.oracle import Oracle, SourceClip
from bench.synthetic.scene import Script
from mosaicast.adapters.kafka_server import missing
from services.cli.client import ApiClient
from services.cli.stack import Stack, StackOptions

TOKEN = "end-to-end-administrator"
BROKERS = [
    pytest.param("embedded", id="embedded"),
    pytest.param("real", id="kafka", marks=pytest.mark.kafka),
]
MakeClip = Callable[[str, Script], Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "e2e" in str(item.path):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def people() -> Mapping[str, Person]:
    return load_cast()


@pytest.fixture(scope="session")
def make_clip(tmp_path_factory: pytest.TempPathFactory, people: Mapping[str, Person]) -> MakeClip:
    folder = tmp_path_factory.mktemp("clips")

    def make(name: str, script: Script) -> Path:
        path = folder / f"{name}.flv"
        if not path.exists():
            write_clip(path, script, people)
        return path

    return make


@pytest.fixture(scope="session")
def pair_clip(make_clip: MakeClip) -> Path:
    """One who may be enrolled, one who stays a stranger, and one who comes and goes."""
    return make_clip("pair", presets.small(["astronaut", "admiral"], entering=["coach"], seconds=64, cut_every_s=16))


@pytest.fixture(scope="session")
def pair_oracle(pair_clip: Path) -> Oracle:
    return Oracle([SourceClip.load(pair_clip)], ["astronaut"])


@pytest.fixture(scope="module", params=BROKERS)
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    if request.param == "real" and (lacking := missing()) is not None:
        pytest.skip(lacking)
    yield from running(tmp_path_factory.mktemp("data"), request.param)


@pytest.fixture(scope="module")
def quick_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """The embedded broker only: for what does not depend on it."""
    yield from running(tmp_path_factory.mktemp("data"), "embedded")


def running(folder: Path, kafka: str) -> Iterator[Session]:
    media = Path(os.environ["MOSAICAST_DATA"]) / "malformed" if "MOSAICAST_DATA" in os.environ else None
    options = StackOptions(
        data_dir=folder / "data",
        rtmp_port=0,
        http_port=0,
        api_port=0,
        kafka="real" if kafka == "real" else "embedded",
        media_dir=media,
        admin_token=TOKEN,
    )
    with Stack(options) as stack:
        addresses = stack.start()
        with ApiClient(addresses.api_url, TOKEN) as api:
            yield Session(stack, api, folder)
