"""What lies on the disk of our own Kafka, byte by byte: no picture longer than promised, none after a stop."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mosaicast.adapters.kafka import BusError, BusProducer, KafkaConfig, ensure_topics
from mosaicast.adapters.kafka import folder as kafka_folder
from mosaicast.adapters.kafka import topics as kafka_topics
from mosaicast.adapters.kafka.folder import KafkaFolder, purge_leftovers
from mosaicast.adapters.kafka.server import KafkaServer, missing
from mosaicast.adapters.kafka.topics import CHECK_MS, DELETE_DELAY_MS, topic_settings
from mosaicast.contracts.messages import FaceCrop, Message
from mosaicast.contracts.topics import (
    BY_NAME,
    DETECTIONS,
    FRAMES,
    GALLERY,
    KIB,
    MEDIA,
    OUTGOING,
    STATUS,
    STREAMS,
    TOPICS,
    VERDICTS,
    Topic,
)
from tests.adapters.bus_tools import change, reading, within_limit
from tests.adapters.examples import FOUND, FRAME, LEFT, PACKET, REPORT, SPEC, VERDICT
from tests.files import files_under, rights_under

PROMISE_MS = 12_000
"""Retention of the picture topics in this file: as tight as the broker's own checks allow."""
LATE_S = 30.0
"""How much later than promised a busy machine may be here; that the settings fit is asserted exactly, see below."""

HOST = """
import sys
from pathlib import Path
from mosaicast.adapters.kafka.server import KafkaServer
with KafkaServer(Path(sys.argv[1])) as server:
    print(server.bootstrap, flush=True)
    sys.stdin.read()
"""


HOLDING = {"media", "frames", "detections", "verdicts", "outgoing"}


def pictures(mark: bytes) -> list[tuple[Topic[Any], Message]]:
    """Return a message of each picture topic with `mark` all over its picture."""
    picture = mark * (100 * KIB // len(mark))
    face = msgspec.structs.replace(FOUND.faces[0], crop=FaceCrop(jpeg=picture, origin_x=0, origin_y=0, scale=1))
    return [
        (MEDIA, msgspec.structs.replace(PACKET, data=picture)),
        (FRAMES, msgspec.structs.replace(FRAME, jpeg=picture)),
        (DETECTIONS, msgspec.structs.replace(FOUND, faces=(face,))),
        (VERDICTS, msgspec.structs.replace(VERDICT, fingerprint=mark * (len(VERDICT.fingerprint) // len(mark)))),
        (OUTGOING, msgspec.structs.replace(LEFT, jpeg=picture)),
    ]


def kept() -> list[tuple[Topic[Any], Message]]:
    return [(STREAMS, SPEC), (GALLERY, change("owner-of-this-test")), (STATUS, REPORT)]


def send(bootstrap: str, messages: list[tuple[Topic[Any], Message]]) -> None:
    producer = BusProducer(KafkaConfig(bootstrap, "tests"))
    assert all(producer.send(topic, message) for topic, message in messages)
    assert producer.flush(30.0) == 0
    producer.close()


def holders(folder: Path, mark: bytes) -> set[str]:
    """Return the topics (or files) in whose files `mark` is."""
    found = set()
    for path in files_under(folder):
        try:
            # A file without blocks is all holes: Kafka reserves 10 MB for each index.
            if path.stat().st_blocks and mark in path.read_bytes():
                found.add(path.parent.name.rpartition("-")[0] or path.name)
        except FileNotFoundError:
            continue  # Kafka deleted it meanwhile
    return found


def still_there(bootstrap: str) -> set[str]:
    """Return the topics that still tell what was sent before."""
    config = KafkaConfig(bootstrap, "tests", static_assignment=(0, 1))
    with reading(config, STREAMS, GALLERY, STATUS, from_beginning=True) as reader:
        reader.until(lambda: len({received.topic for received in reader.got}) == 3)
        return {received.topic for received in reader.got}


@pytest.fixture
def installed() -> None:
    lack = missing()
    if lack is not None:
        pytest.skip(lack)


def test_the_topics_that_hold_pictures_are_known() -> None:
    assert {topic.name for topic in TOPICS if topic.pictures} == HOLDING


@pytest.mark.parametrize("topic", [topic for topic in TOPICS if not topic.compacted], ids=lambda topic: topic.name)
def test_all_that_a_broker_waits_for_fits_into_the_promise(topic: Topic[Any]) -> None:
    settings = topic_settings(topic)
    assert topic.retention_ms is not None
    waits = int(settings["retention.ms"]) + int(settings["segment.ms"]) + CHECK_MS + DELETE_DELAY_MS
    assert waits < topic.retention_ms


@pytest.mark.kafka
@pytest.mark.usefixtures("installed")
def test_pictures_leave_the_disk_in_the_promised_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brief = [replace(topic, retention_ms=PROMISE_MS) if topic.pictures else topic for topic in TOPICS]
    monkeypatch.setattr(kafka_topics, "TOPICS", brief)
    first, pause = os.urandom(16), threading.Event()
    with KafkaServer(tmp_path) as server:
        ensure_topics(KafkaConfig(server.bootstrap, "tests"))
        send(server.bootstrap, pictures(first) + kept())
        sent_s = time.monotonic()
        assert holders(tmp_path, first) == HOLDING

        def go_on() -> None:  # others come after it, into the same segment
            newest.append(os.urandom(16))
            send(server.bootstrap, pictures(newest[-1]))
            pause.wait(0.3)

        newest: list[bytes] = []
        within_limit(lambda: not holders(tmp_path, first), go_on)
        assert time.monotonic() - sent_s < PROMISE_MS / 1000 + LATE_S
        assert holders(tmp_path, newest[-1]) == HOLDING
        # The stream has ended: nothing pushes its last pictures out.
        within_limit(lambda: not any(holders(tmp_path, mark) for mark in newest[-3:]), lambda: pause.wait(0.3))
        assert still_there(server.bootstrap) == {"streams", "gallery", "status"}


@pytest.mark.kafka
@pytest.mark.usefixtures("installed")
def test_a_stop_leaves_no_picture_and_keeps_the_rest(tmp_path: Path) -> None:
    mark = os.urandom(16)
    with KafkaServer(tmp_path / "kafka") as server:
        ensure_topics(KafkaConfig(server.bootstrap, "tests"))
        send(server.bootstrap, pictures(mark) + kept())
        assert holders(tmp_path, mark)
        assert modes(tmp_path / "kafka") == {0o700, 0o600}
    assert not holders(tmp_path, mark)
    assert modes(tmp_path / "kafka") == {0o700, 0o600}
    with KafkaServer(tmp_path / "kafka") as server:
        assert still_there(server.bootstrap) == {"streams", "gallery", "status"}
        again = os.urandom(16)
        send(server.bootstrap, pictures(again))  # the emptied topics take new ones
        assert holders(tmp_path, again) == HOLDING


@pytest.mark.kafka
@pytest.mark.usefixtures("installed")
def test_a_start_deletes_what_a_kill_left(tmp_path: Path) -> None:
    mark = os.urandom(16)
    command = [sys.executable, "-c", HOST, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        bootstrap = host.stdout.readline().strip()
        ensure_topics(KafkaConfig(bootstrap, "tests"))
        send(bootstrap, pictures(mark) + kept())
        host.send_signal(signal.SIGKILL)
    assert holders(tmp_path, mark)
    with KafkaServer(tmp_path) as server:
        assert not holders(tmp_path, mark)
        assert still_there(server.bootstrap) == {"streams", "gallery", "status"}


def modes(folder: Path) -> set[int]:
    """Return the rights of a folder and of all in it."""
    return set(rights_under(folder).values())


# --- the folder alone ---------------------------------------------------------------------------------------


def left_behind(folder: Path) -> Path:
    """Make a folder as an earlier version left it: readable by all, with pictures."""
    names = [
        "media-0",
        "frames-3",
        "detections-1.0af3-delete",
        "streams-0",
        "status-1",
        "media-notes",
    ]
    for name in names:
        (folder / "log" / name).mkdir(parents=True)
        (folder / "log" / name / "00000000000000000000.log").write_bytes(b"x")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def test_leftovers_of_an_earlier_version_go_and_the_rest_is_shut(tmp_path: Path) -> None:
    folder = left_behind(tmp_path / "kafka")
    purge_leftovers(folder)
    names = {path.name for path in (folder / "log").iterdir() if path.is_dir()}
    assert names == {"streams-0", "status-1", "media-notes"}
    assert modes(folder) == {0o700, 0o600}


def test_without_a_folder_there_is_nothing_to_purge(tmp_path: Path) -> None:
    purge_leftovers(tmp_path / "kafka")
    assert not (tmp_path / "kafka").exists()


def test_the_pictures_of_a_running_server_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_folder, "LOCK_WAIT_S", 0.0)
    running = KafkaFolder(tmp_path)
    running.take()
    left_behind(tmp_path / "log" / "..")
    with pytest.raises(BusError, match="another Kafka uses"):
        purge_leftovers(tmp_path)
    assert (tmp_path / "log" / "media-0").exists()
    running.give_back()
    assert not (tmp_path / "log" / "media-0").exists()


def test_pictures_that_can_not_be_deleted_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = left_behind(tmp_path / "kafka")

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("mosaicast.adapters.kafka.folder.shutil.rmtree", refuse)
    with pytest.raises(BusError, match="pictures can't be deleted") as caught:
        purge_leftovers(folder)
    assert caught.value.fault == "operator"
    assert BY_NAME["media"].pictures
