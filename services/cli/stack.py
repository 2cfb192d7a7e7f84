"""The one-machine stack: five services as processes, the edge, and the embedded stand-ins for the servers."""

import contextlib
import os
import secrets
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mosaicast.adapters.kafka import KafkaConfig, ensure_topics
from mosaicast.adapters.kafka.embedded_broker import EmbeddedBroker
from mosaicast.adapters.kafka.folder import purge_leftovers
from mosaicast.adapters.kafka.server import KafkaServer
from mosaicast.runtime.clocks import monotonic_s
from mosaicast.runtime.ports import free_ports, require_free
from mosaicast.runtime.probes import answers
from mosaicast.runtime.processes import ManagedProcess, ProcessSpec
from mosaicast.runtime.settings import KafkaSettings, Service, environment_for, foreign
from mosaicast.runtime.supervisor import Supervisor
from services.cli import edge
from services.wiring import kafka_environment, log_config

SERVICES: tuple[Service, ...] = ("api", "ingest", "detector", "recognizer", "compositor")
_START_ORDER: tuple[Service, ...] = ("recognizer", "api", "detector", "ingest", "compositor")
"""Who takes longest to be ready begins."""
STOP_ORDER = ("ingest", "detector", "recognizer", "compositor", "edge", "api")
READY_TIMEOUT_S = 60.0
STOP_GRACE_S = 5.0
_ASK_EVERY_S = 0.05
"""A question costs a millisecond of CPU, here and there."""
_PROBE_S = 2.0
_MOST_ENDS = 3
"""A part that ended so often at the start does not come up by more waiting."""

Progress = Callable[[str], None]


class StackError(Exception):
    """The stack did not come up; the text says which part and shows the end of its log."""


@dataclass(frozen=True, slots=True)
class StackOptions:
    """How to run the stack. Port 0 lets the system choose."""

    data_dir: Path
    host: str = "127.0.0.1"
    """Where the edge and the api listen."""
    public_host: str = "127.0.0.1"
    """How streamers and viewers name this machine."""
    public_rtmp_url: str | None = None
    """Where they reach RTMP; None: there, at `rtmp_port`."""
    public_hls_url: str | None = None
    """Where they reach HLS; None: there, at `http_port`."""
    public_api_url: str | None = None
    """Where they and operators reach the api; None: there, at `api_port`."""
    rtmp_port: int = 1935
    http_port: int = 8080
    api_port: int = 8000
    kafka: Literal["embedded", "real"] = "embedded"
    bootstrap: str | None = None
    """An Apache Kafka of the operator's; overrides `kafka`."""
    security: KafkaSettings = field(default_factory=KafkaSettings, repr=False)
    """What else the operator set of Kafka: TLS, SASL, partitions, ...; which broker, and who owns which partitions, is
    decided here."""
    media_dir: Path | None = None
    admin_token: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    """More settings for every service (MOSAICAST_...)."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the running stack is reached."""

    api_url: str
    publish_url: str
    rtmp_url: str
    hls_url: str
    bootstrap: str
    metrics_urls: Mapping[str, str]


class Stack:
    """Starts, watches and stops the whole product on one machine. Use as a context manager."""

    def __init__(self, options: StackOptions) -> None:
        self.options = options
        self._resources = contextlib.ExitStack()
        self._supervisors: dict[str, Supervisor] = {}
        self._stopping = threading.Event()
        self._ports = self._choose_ports()
        self._edge_token = _kept_secret(options.data_dir / "edge.token")
        self._control_token = secrets.token_urlsafe(32)
        self._addresses: Addresses | None = None

    @property
    def addresses(self) -> Addresses:
        """Where the stack is reached.

        Raises:
            StackError: it was not started.
        """
        if self._addresses is None:
            raise StackError("the stack is not running")
        return self._addresses

    def process(self, name: str) -> ManagedProcess:
        """Return the process of a service or of the edge."""
        return self._supervisors[name].process

    def __enter__(self) -> "Stack":
        """Return self; nothing runs before `start`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything."""
        self.stop()

    def start(self, progress: Progress = lambda _: None) -> Addresses:
        """Start every part and wait until all are ready; on failure stop what was started.

        Raises:
            StackError: a part did not become ready.
            EdgeMissingError: nginx or one of its modules is not installed.
            PortTakenError: a port is in use.
            BusError: the broker did not start.
        """
        try:
            bootstrap = self._start_broker(progress)
            if not self._embedded:  # that one comes with its topics
                progress("making the topics")
                ensure_topics(self._kafka(bootstrap))
            self._addresses = self._make_addresses(bootstrap)
            for spec in self._specs(bootstrap):
                progress(f"starting {spec.name}")
                self._launch(spec)
            for name in self._supervisors:
                progress(f"waiting for {name}")
                self._wait_ready(name)
        except BaseException:
            self.stop()
            raise
        return self._addresses

    def wait(self, timeout_s: float | None = None) -> None:
        """Block until the stack is told to stop."""
        self._stopping.wait(timeout_s)

    def stop(self) -> None:
        """Stop every part in order: sources first, so that nothing is pushed into a closed door."""
        self._stopping.set()
        for name in STOP_ORDER:
            if name in self._supervisors:
                self._supervisors.pop(name).stop(STOP_GRACE_S)
        shutil.rmtree(self._hls_folder, ignore_errors=True)  # a compositor that was killed has left it
        self._resources.close()

    def _choose_ports(self) -> dict[str, int]:
        options = self.options
        asked = {
            "rtmp": (options.rtmp_port, "--rtmp-port"),
            "http": (options.http_port, "--http-port"),
            "api": (options.api_port, "--api-port"),
        }
        given = {name: require_free(options.host, port, option) for name, (port, option) in asked.items() if port}
        # Of the api there is a port of its metrics alone: what it serves is for the public.
        ours = ("control", "rtmp-services", "rtmp-inner", *(_private(service) for service in SERVICES))
        chosen = [name for name in (*asked, *ours) if name not in given]
        # All at once: who is asked again and again may name one port twice.
        free = [port for port in free_ports(len(chosen) + len(given)) if port not in given.values()]
        return given | dict(zip(chosen, free, strict=False))

    def _start_broker(self, progress: Progress) -> str:
        folder = self.options.data_dir / "kafka"
        if self.options.bootstrap is None and self.options.kafka == "real":
            progress("starting Apache Kafka")
            return self._resources.enter_context(KafkaServer(folder)).bootstrap
        purge_leftovers(folder)  # of a run with --kafka that was killed
        if self.options.bootstrap is not None:
            return self.options.bootstrap
        progress("starting the embedded broker")
        return self._resources.enter_context(EmbeddedBroker()).bootstrap

    def _kafka(self, bootstrap: str) -> KafkaConfig:
        return log_config(self._kafka_settings(bootstrap), "mosaicast-up")

    def _kafka_settings(self, bootstrap: str) -> KafkaSettings:
        changes = {
            "bootstrap": bootstrap,
            "embedded": self._embedded,
            # One instance of each service owns every partition: after a crash it goes on at once.
            "assignment_index": 0,
            "assignment_count": 1,
            "instance": None,
        }
        return self.options.security.model_copy(update=changes)

    @property
    def _hls_folder(self) -> Path:
        return (self.options.data_dir / "hls").resolve()  # `CompositorServiceSettings.hls_path`

    @property
    def _embedded(self) -> bool:
        return self.options.bootstrap is None and self.options.kafka == "embedded"

    def _make_addresses(self, bootstrap: str) -> Addresses:
        ports = self._ports
        metrics: dict[str, str] = {name: f"http://127.0.0.1:{ports[_private(name)]}/metrics" for name in SERVICES}
        return Addresses(
            api_url=self.options.public_api_url or f"http://{self.options.public_host}:{ports['api']}",
            publish_url=f"{self._rtmp_url}/live",
            rtmp_url=self._rtmp_url,
            hls_url=self._hls_url,
            bootstrap=bootstrap,
            metrics_urls=metrics,
        )

    @property
    def _rtmp_url(self) -> str:
        return self.options.public_rtmp_url or f"rtmp://{self.options.public_host}:{self._ports['rtmp']}"

    @property
    def _hls_url(self) -> str:
        return self.options.public_hls_url or f"http://{self.options.public_host}:{self._ports['http']}/hls"

    def _specs(self, bootstrap: str) -> Iterator[ProcessSpec]:
        shared = self._environment(bootstrap)
        for name in _START_ORDER:
            port = self._ports[name]
            yield ProcessSpec(
                name=name,
                command=[sys.executable, "-m", f"services.{name}"],
                log_path=self._log_path(name),
                environment={
                    **environment_for(name, shared),
                    "MOSAICAST_METRICS_PORT": str(self._ports[_private(name)]),
                },
                ready_url=f"http://127.0.0.1:{port}/readyz",
                health_url=f"http://127.0.0.1:{port}/healthz",
                inherit_stdout=name == "api",
            )
            if name == "api":
                yield self._edge_spec()

    def _edge_spec(self) -> ProcessSpec:
        config = edge.EdgeConfig(
            folder=(self.options.data_dir / "edge").resolve(),
            hls_folder=self._hls_folder,
            host=self.options.host,
            rtmp_port=self._ports["rtmp"],
            services_port=self._ports["rtmp-services"],
            inner_port=self._ports["rtmp-inner"],
            http_port=self._ports["http"],
            control_port=self._ports["control"],
            hooks_url=f"http://127.0.0.1:{self._ports['api']}/hooks/edge",
            token=self._edge_token,
            control_token=self._control_token,
        )
        command = edge.prepare(config)
        ready = f"http://127.0.0.1:{self._ports['control']}{edge.READY_PATH}"
        return ProcessSpec(
            "edge", command, self._log_path("edge"), foreign(os.environ), ready_url=ready, health_url=ready
        )

    def _environment(self, bootstrap: str) -> dict[str, str]:
        options, ports = self.options, self._ports
        environment = {
            "MOSAICAST_DATA_DIR": str(options.data_dir.resolve()),
            **kafka_environment(self._kafka_settings(bootstrap)),
            "MOSAICAST_EDGE__RTMP_URL": f"rtmp://127.0.0.1:{ports['rtmp-services']}",
            "MOSAICAST_EDGE__PUBLIC_RTMP_URL": self._rtmp_url,
            "MOSAICAST_EDGE__PUBLIC_HLS_URL": self._hls_url,
            "MOSAICAST_CONTROL__URL": f"http://127.0.0.1:{ports['control']}",
            "MOSAICAST_CONTROL__TOKEN": self._control_token,
            "MOSAICAST_EDGE__TOKEN": self._edge_token,
            "MOSAICAST_API__HOST": options.host,
            "MOSAICAST_API__PORT": str(ports["api"]),
            # Each worker thread of a numeric library costs more than it brings beside five services.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        if options.media_dir is not None:
            environment["MOSAICAST_MEDIA_DIR"] = str(options.media_dir.resolve())
        if options.public_api_url is not None:
            environment["MOSAICAST_API__PUBLIC_URL"] = options.public_api_url
        if options.admin_token is not None:
            environment["MOSAICAST_API__ADMIN_TOKEN"] = options.admin_token
        return {**os.environ, **environment, **options.environment}

    def _log_path(self, name: str) -> Path:
        return self.options.data_dir / "logs" / f"{name}.log"

    def _launch(self, spec: ProcessSpec) -> None:
        supervisor = Supervisor(ManagedProcess(spec))
        self._supervisors[spec.name] = supervisor
        supervisor.start()

    def _wait_ready(self, name: str) -> None:
        process = self.process(name)
        url, until_s = process.spec.ready_url, monotonic_s() + READY_TIMEOUT_S
        while url is not None and not answers(url, _PROBE_S):
            self._refuse_to_wait_for_ever()
            if monotonic_s() > until_s or self._stopping.wait(_ASK_EVERY_S):
                raise StackError(f"{name} did not become ready; its log ends with\n{process.log_tail()}")

    def _refuse_to_wait_for_ever(self) -> None:
        for name, supervisor in self._supervisors.items():
            if supervisor.restarts >= _MOST_ENDS:
                text = f"{name} ended {supervisor.restarts} times at the start; its log ends with"
                raise StackError(f"{text}\n{supervisor.process.log_tail()}")


def _private(service: str) -> str:
    """Return the name of the port where a service serves its metrics, on the loopback only."""
    return "api-metrics" if service == "api" else service


def _kept_secret(path: Path) -> str:
    """Return the secret in `path`, made at first use, readable by its owner only."""
    if path.exists():
        return path.read_text().strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_urlsafe(32)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token)
    return token
