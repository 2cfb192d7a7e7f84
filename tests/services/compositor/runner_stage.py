"""A runner with everything around it fake."""

from collections import Counter
from typing import Any

from mosaicast.contracts.messages import MediaPacket, Publication
from mosaicast.core.types import Disposition
from services.compositor.runner import StreamRunner
from services.compositor.wire import Outcome
from tests.services.compositor.fakes import FakeChild, FakeSpawn, packet
from tests.services.compositor.media import STREAM, spec

DROPPED = Disposition.DROPPED


class Stage:
    """A runner with everything around it fake, and a clock by hand."""

    def __init__(self) -> None:
        self.spawn = FakeSpawn()
        self.told: list[Outcome] = []
        self.restarts: list[str] = []
        self.runner = StreamRunner(
            STREAM, self.spawn, lambda _, outcomes: self.told.extend(outcomes), self.restarts.append
        )
        self.now = 100.0

    @property
    def child(self) -> FakeChild:
        return self.spawn.last

    def media(self, *packets: MediaPacket) -> None:
        for one in packets:
            self.runner.on_media(one, self.now)

    def after(self, seconds: float) -> None:
        self.now += seconds
        self.runner.tick(self.now)

    def crash(self, code: int = -11) -> None:
        self.child.ends(code)
        self.runner.tick(self.now)

    def restarted(self) -> FakeChild:
        """Wait out the back-off and return the new child."""
        before = len(self.spawn.children)
        self.after(6.0)
        assert len(self.spawn.children) == before + 1
        return self.child

    def counts(self) -> dict[str, int]:
        return {name: count for name, count in self.runner.ledger.counters().items() if count}

    def reasons(self) -> Counter[str]:
        return Counter(outcome.reason for outcome in self.told if outcome.disposition is DROPPED)


def group(first: int, count: int, epoch: int = 1) -> list[MediaPacket]:
    """Return a group of pictures."""
    return [packet(first + n, key=n == 0, epoch=epoch) for n in range(count)]


def published(publication: str | None, revision: int) -> Any:
    return spec(revision, publication=publication and Publication(publication_id=publication, started_ms=0))
