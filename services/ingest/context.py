"""What all runners of the service share, and the ports that they need."""

from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Protocol

from mosaicast.contracts.messages import Message
from mosaicast.contracts.topics import Topic
from mosaicast.core.epochs import KnownEpochs
from mosaicast.core.restarts import RestartPolicy
from mosaicast.runtime.children import Exit
from mosaicast.runtime.clocks import monotonic_s, wall_ms
from mosaicast.runtime.log_events import Log
from mosaicast.runtime.metrics import Metrics
from services.ingest.headers import KnownHeaders
from services.ingest.plan import Planner
from services.ingest.wire import Job


class Bus(Protocol):
    """Where messages go."""

    def send(self, topic: Topic[Any], message: Message | None, *, key: str | None = None) -> bool:
        """Queue a message; False: it is dropped and counted. Never blocks."""


class Child(Protocol):
    """A running child process."""

    connection: "Connection[Any, Any]"

    @property
    def exit(self) -> Exit | None:
        """How it ended, None while it runs."""

    def wait(self, timeout_s: float) -> Exit | None:
        """Wait for its end."""

    def kill(self) -> None:
        """End it at once."""


@dataclass(frozen=True, slots=True)
class IngestContext:
    """What every runner of the service shares."""

    planner: Planner
    spawn: Callable[[Job], Child]
    bus: Bus
    metrics: Metrics
    log: Log
    instance: str
    """Names this process in status reports."""
    restarts: RestartPolicy = field(default_factory=RestartPolicy)
    epochs: KnownEpochs = field(default_factory=KnownEpochs)
    """What all parts reported of the epochs of each stream."""
    headers: KnownHeaders = field(default_factory=KnownHeaders)
    """What any ingest reported of the headers of each stream."""
    now_s: Callable[[], float] = monotonic_s
    now_ms: Callable[[], int] = wall_ms
