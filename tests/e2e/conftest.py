"""A whole product for each broker: real edge, broker, publisher and viewer, on free ports.

The tests of a broker share one, as the streams of an installation do: after each test its streams are deleted, and
whatever it killed or took away must have healed before the next begins.
"""

import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mosaicast.adapters.kafka.server import missing
from mosaicast.core.allowed import LIVE_CODECS as DEFAULT_CODECS
from mosaicast.runtime import probes
from services.cli.client import ApiClient
from services.cli.stack import SERVICES, Stack, StackOptions
from synthetic import presets
from synthetic.cast import Person, load_cast
from synthetic.clip import write_clip
from synthetic.oracle import Oracle, SourceClip
from synthetic.processes import children_of
from synthetic.scene import Script
from synthetic.session import Session, wait_until
from tests.e2e.beside import Beside, on_kafka
from tests.e2e.brokers import BrokerStack
from tests.e2e.field.playing import Field

TOKEN = "end-to-end-administrator"
BROKERS = [
    pytest.param("embedded", id="embedded"),
    pytest.param("real", id="kafka", marks=pytest.mark.kafka),
]
MakeClip = Callable[[str, Script], Path]
OVER: pytest.StashKey[Future[None]] = pytest.StashKey()
"""The end of a test that runs beside others."""


FPS = 15
"""Of every broadcast here: half of a usual one's, so that a busy machine keeps up."""
LIVE_CODECS = f"{DEFAULT_CODECS},hevc,av1"
"""Enhanced RTMP too, as an operator may let it in."""
PROBE_S = 5.0
BESIDE_S = 3000.0
"""What runs beside others is over within so long on any machine, its turn included."""
HEALED_S = 60.0
"""Every part answers again, and nothing of a deleted stream runs, within so long on any machine."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start each broker's product once, the real Kafka's last; tests with a product of their own come after its.

    Of a product's the tests beside each other come first.
    """
    items.sort(key=lambda item: place(item) if item.get_closest_marker("e2e") else (False, False, False))


def place(item: pytest.Item) -> tuple[bool, bool, bool]:
    own = not {"session", "quick_session"} & set(getattr(item, "fixturenames", ()))
    return (on_kafka(item), own, item.get_closest_marker("beside") is None)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give those beside each other the time to have their turn."""
    if item.get_closest_marker("beside") is not None:
        item.add_marker(pytest.mark.timeout(BESIDE_S))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Wait for a test that runs beside others; the call of any other is pytest's own."""
    over = pyfuncitem.stash.get(OVER, None)
    if over is not None:
        over.result()
    return over is not None or None


def light(script: Script) -> Script:
    """Return the same broadcast with `FPS` pictures a second."""
    return replace(script, fps=FPS)


@pytest.fixture(scope="session")
def people() -> Mapping[str, Person]:
    return load_cast()


@pytest.fixture(scope="session")
def make_clip(tmp_path_factory: pytest.TempPathFactory, people: Mapping[str, Person]) -> MakeClip:
    folder, making = tmp_path_factory.mktemp("clips"), threading.Lock()

    def make(name: str, script: Script) -> Path:
        path = folder / f"{name}.flv"
        with making:
            if not path.exists():
                write_clip(path, script, people)
        return path

    return make


@pytest.fixture(scope="session")
def pair_clip(make_clip: MakeClip) -> Path:
    """One who may be enrolled, one who stays a stranger, and one who comes and goes."""
    return make_clip(
        "pair", light(presets.small(["astronaut", "admiral"], entering=["coach"], seconds=64, cut_every_s=16))
    )


@pytest.fixture(scope="session")
def pair_oracle(pair_clip: Path) -> Oracle:
    return Oracle([SourceClip.load(pair_clip)], ["astronaut"])


@pytest.fixture(scope="session")
def two_clip(make_clip: MakeClip) -> Path:
    """One who may be enrolled, and one who stays a stranger."""
    return make_clip("two", light(presets.small(["astronaut", "admiral"], seconds=16)))


class Products:
    """Runs one product at a time, the one of the broker that was asked for last."""

    def __init__(self, make_folder: Callable[[str], Path]) -> None:
        self._make_folder, self._running = make_folder, ExitStack()
        self._broker: str | None = None
        self.session: Session | None = None
        self.kept: set[str] = set()
        """Streams that go on from test to test."""
        self.beside = Beside(make_folder, self.of)

    def of(self, broker: str) -> Session:
        if self.session is None or self._broker != broker:
            self.stop()
            self.session = self._running.enter_context(running(self._make_folder(broker), broker))
            self._broker = broker
        return self.session

    def tidy(self) -> None:
        if self.session is not None and not self.beside.at_work:
            tidy(self.session, self.kept)

    def stop(self) -> None:
        self.beside.stop()
        self.session = None
        self.kept.clear()
        self._running.close()


@pytest.fixture(scope="session")
def products(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Products]:
    products = Products(tmp_path_factory.mktemp)
    yield products
    products.stop()


@pytest.fixture(scope="session", params=BROKERS)
def session(request: pytest.FixtureRequest, products: Products) -> Session:
    if request.param == "real" and (lacking := missing()) is not None:
        pytest.skip(lacking)
    return products.of(request.param)


@pytest.fixture(scope="session")
def quick_session(products: Products) -> Session:
    """The embedded broker only: for what does not depend on it."""
    return products.of("embedded")


@pytest.fixture(scope="session")
def owner(quick_session: Session, people: Mapping[str, Person]) -> str:
    """Whose streams show the enrolled one, for tests that change nothing about her."""
    quick_session.enroll("Eileen", people["astronaut"], owner="eileens")
    return "eileens"


@pytest.fixture(scope="session")
def field(quick_session: Session, tmp_path_factory: pytest.TempPathFactory) -> Field:
    return Field(quick_session, tmp_path_factory.mktemp("field"))


@pytest.fixture(autouse=True)
def as_it_was(request: pytest.FixtureRequest, products: Products) -> Iterator[None]:
    """The next test finds a product without streams in which every part answers, but for those beside each other."""
    if request.node.get_closest_marker("beside") is not None:
        request.node.stash[OVER] = products.beside.of(request)
    yield
    products.tidy()


def tidy(session: Session, kept: Collection[str] = ()) -> None:
    for stream in session.api.get("/v1/streams")["streams"]:
        if stream["stream_id"] not in kept:
            session.api.delete(f"/v1/streams/{stream['stream_id']}")
    wait_until(lambda: all(answers(session.stack, name) for name in SERVICES), HEALED_S, "every part answers")
    if not kept:
        wait_until(lambda: not stream_children(session.stack), HEALED_S, "the end of the streams' children")


def answers(stack: Stack, name: str) -> bool:
    url = stack.process(name).spec.health_url
    return url is None or probes.answers(url, PROBE_S)


def stream_children(stack: Stack) -> list[int]:
    """The children of fork servers, which are services' children."""
    services = (stack.process(name).pid for name in ("ingest", "compositor"))
    return [pid for service in services for server in children_of(service) for pid in children_of(server)]


@contextmanager
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
        environment={"MOSAICAST_MEDIA__LIVE_CODECS": LIVE_CODECS},
    )
    with BrokerStack(options) as stack:
        addresses = stack.start()
        with ApiClient(addresses.api_url, TOKEN) as api:
            yield Session(stack, api, folder)
