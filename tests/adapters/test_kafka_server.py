"""The real Kafka as a child: keeps its data, its limits, and never outlives us."""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from mosaicast.adapters.kafka import BusError, BusProducer, KafkaConfig, StateReader, TopicWatch, ensure_topics
from mosaicast.adapters.kafka import class_archive as class_archive_maker
from mosaicast.adapters.kafka import folder as kafka_folder
from mosaicast.adapters.kafka import server as kafka_server
from mosaicast.adapters.kafka.server import KafkaServer, class_archive, find_java, jars_folder, missing
from mosaicast.adapters.kafka.topics import topic_settings
from mosaicast.contracts.topics import FRAMES, GALLERY, STREAMS, TOPICS, Topology
from tests.adapters.bus_tools import LIMIT_S, change, key_on, reading, within_limit
from tests.adapters.examples import SPEC

HOST = """
import sys
from dataclasses import replace
from pathlib import Path
from mosaicast.adapters.kafka.server import KafkaServer
with KafkaServer(Path(sys.argv[1])) as server:
    print(server.pid, flush=True)
    sys.stdin.read()
"""

kafka = pytest.mark.kafka


@pytest.fixture
def installed() -> None:
    lack = missing()
    if lack is not None:
        pytest.skip(lack)


def ended(pid: int) -> bool:
    """Wait until a process that is not our child has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], LIMIT_S)[0])
    finally:
        os.close(handle)


def broker_settings(admin: AdminClient, topic: str) -> Any:
    """Return a topic's settings as the broker holds them (it learns of a change a moment after the answer)."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    return admin.describe_configs([resource])[resource].result()


def kept(config: KafkaConfig) -> dict[str, object]:
    """Return the state of `streams`."""
    found: dict[str, object] = {}
    reader = StateReader(config, STREAMS)
    within_limit(
        lambda: reader.caught_up,
        lambda: found.update({received.key: received.message for received in reader.poll(0.1)}),
    )
    reader.close()
    return found


@kafka
@pytest.mark.usefixtures("installed")
def test_data_outlives_a_crash_and_an_ordered_stop(tmp_path: Path) -> None:
    with KafkaServer(tmp_path) as server:
        config = KafkaConfig(server.bootstrap, "tests")
        ensure_topics(config)
        producer = BusProducer(config)
        producer.send(STREAMS, SPEC)
        assert producer.flush(LIMIT_S) == 0
        producer.close()
        os.kill(server.pid, signal.SIGKILL)
    with KafkaServer(tmp_path) as server:
        assert kept(KafkaConfig(server.bootstrap, "tests")) == {SPEC.stream_id: SPEC}
        pid = server.pid
    assert ended(pid)
    assert server.pid == 0
    with pytest.raises(BusError):
        _ = server.bootstrap


@kafka
@pytest.mark.usefixtures("installed")
def test_it_is_started_again_where_its_clients_know_it(tmp_path: Path) -> None:
    with KafkaServer(tmp_path) as server:
        config = KafkaConfig(server.bootstrap, "tests", delivery_timeout_s=LIMIT_S)
        ensure_topics(config)
        first = server.pid
        os.kill(first, signal.SIGKILL)
        producer = BusProducer(config)
        producer.send(STREAMS, SPEC)
        assert producer.flush(LIMIT_S) == 0
        producer.close()
        assert kept(config) == {SPEC.stream_id: SPEC}
        assert (server.restarts, server.bootstrap) == (1, config.bootstrap)
        assert server.pid != first
        again = server.pid
    assert ended(again)


@kafka
@pytest.mark.usefixtures("installed")
def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOST, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        pid = int(host.stdout.readline())
        host.kill()
    assert ended(pid)


@kafka
@pytest.mark.usefixtures("installed")
def test_a_second_server_on_the_same_data_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_folder, "LOCK_WAIT_S", 0.5)
    with KafkaServer(tmp_path) as first:
        with pytest.raises(BusError, match="another Kafka uses") as caught:
            KafkaServer(tmp_path).__enter__()
        assert caught.value.fault == "operator"
        ensure_topics(KafkaConfig(first.bootstrap, "tests"))  # the first one is unharmed


@kafka
def test_topics_on_the_broker_are_those_of_the_contracts(real_kafka: KafkaServer) -> None:
    admin = AdminClient({"bootstrap.servers": real_kafka.bootstrap})
    held = admin.list_topics(timeout=10).topics
    for topic in TOPICS:
        assert len(held[topic.name].partitions) == Topology().partitions
        entries = broker_settings(admin, topic.name)
        assert {name: entries[name].value for name in topic_settings(topic)} == topic_settings(topic)


@kafka
@pytest.mark.usefixtures("installed")
def test_an_installation_has_the_partitions_that_it_asked_for(tmp_path: Path) -> None:
    six = Topology(6)
    with KafkaServer(tmp_path) as server:
        config = KafkaConfig(server.bootstrap, "tests", topology=six, static_assignment=(0, 1))
        ensure_topics(config)
        keys = [key_on(number, six) for number in six.numbers]
        with reading(config, GALLERY) as reader, contextlib.closing(BusProducer(config)) as producer:
            reader.until(lambda: reader.consumer.partitions == frozenset(six.numbers))
            for key in keys:
                producer.send(GALLERY, change(key, 1))
            reader.until(lambda: len(reader.got) == 6)
        assert {received.key: received.partition for received in reader.got} == dict(
            zip(keys, six.numbers, strict=True)
        )
        with contextlib.closing(StateReader(config, GALLERY)) as state:
            within_limit(lambda: state.caught_up, lambda: state.poll(0.1))
        with pytest.raises(BusError, match=r"has 6 partitions, must have 4: set MOSAICAST_KAFKA__PARTITIONS"):
            ensure_topics(replace(config, topology=Topology()))


@kafka
@pytest.mark.usefixtures("installed")
def test_changed_limits_are_brought_back_and_wrong_partitions_refused(tmp_path: Path) -> None:
    with KafkaServer(tmp_path) as server:
        config = KafkaConfig(server.bootstrap, "tests")
        admin = AdminClient({"bootstrap.servers": server.bootstrap})
        frames = NewTopic("frames", num_partitions=Topology().partitions, replication_factor=1)  # kept for a week
        admin.create_topics([frames])["frames"].result()
        ensure_topics(config)
        wanted = topic_settings(FRAMES)["retention.ms"]
        within_limit(lambda: broker_settings(admin, "frames")["retention.ms"].value == wanted, lambda: None)
        admin.delete_topics(["media"])["media"].result()
        admin.create_topics([NewTopic("media", num_partitions=1, replication_factor=1)])["media"].result()
        within_limit(lambda: "media" in admin.list_topics(timeout=10).topics, lambda: None)
        with pytest.raises(BusError, match="media has 1 partitions") as caught:
            ensure_topics(config)
        assert (caught.value.fault, caught.value.retry) == ("operator", False)


@kafka
@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("killed", [True, False], ids=["killed", "running"])
def test_a_broker_whose_data_is_gone_starts_empty_and_its_clients_go_on(tmp_path: Path, killed: bool) -> None:
    with KafkaServer(tmp_path) as server:
        config = KafkaConfig(server.bootstrap, "tests")
        alone = replace(config, static_assignment=(0, 1))
        ensure_topics(config)
        watch = TopicWatch(config)
        assert not watch.restore()
        with (
            reading(alone, GALLERY) as reader,
            contextlib.closing(StateReader(config, STREAMS)) as state,
            contextlib.closing(BusProducer(config)) as producer,
        ):
            said: list[object] = []

            def turn() -> None:
                producer.send(GALLERY, change("o", len(said)))
                producer.send(STREAMS, msgspec.structs.replace(SPEC, revision=len(said)))
                said.extend(received.message for received in state.poll(0.05))
                reader.poll(0.05)

            def all_hear() -> None:
                said.clear()
                reader.got.clear()
                within_limit(lambda: said and reader.got, turn)

            all_hear()
            first = server.pid
            if killed:
                os.kill(first, signal.SIGKILL)
            shutil.rmtree(tmp_path / "log", ignore_errors=True)
            if not killed:  # it would notice at its next new file, within a minute
                AdminClient({"bootstrap.servers": server.bootstrap}).create_topics([NewTopic("another", 1, 1)])
            within_limit(lambda: server.pid != first, turn)
            within_limit(watch.restore, turn)
            all_hear()
        # A member of a group ends for good at such a broker; its service is started again.
        with reading(config, GALLERY) as member:
            member.until(lambda: member.consumer.partitions)


def test_without_the_jars_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSAICAST_KAFKA_HOME", str(tmp_path))
    assert "make setup-kafka" in (missing() or "")
    with pytest.raises(BusError, match="make setup-kafka") as caught:
        KafkaServer(tmp_path / "data").__enter__()
    assert caught.value.fault == "operator"
    assert not (tmp_path / "data").exists()


def fake_java(folder: Path, version: str) -> Path:
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)
    return java


def test_an_archive_of_classes_is_for_the_java_that_made_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    for version in ("17.0.9", "21.0.1"):
        monkeypatch.setenv("JAVA_HOME", str(tmp_path / version))
        java, jars = fake_java(tmp_path / version, version), tmp_path / "jars"
        monkeypatch.setenv("MOSAICAST_KAFKA_HOME", str(jars))
        jars.mkdir(exist_ok=True)
        for name in ("kafka_2.13-4.1.1.jar", "a.jar"):
            (jars / name).touch()
        if not told:
            class_archive(str(java)).touch()
        (tmp_path / version / "data").mkdir()
        with java.open("a") as script:  # what it was asked to do, beside itself
            script.write('case "$*" in *StorageTool*) ;; *kafka.Kafka*) echo "$*" > "$0.asked" ;; esac\n')
        with pytest.raises(BusError, match="ended at its start"):
            KafkaServer(tmp_path / version / "data").__enter__()
        told.append(java.with_name("java.asked").read_text())
    assert f"-XX:SharedArchiveFile={class_archive(str(tmp_path / '17.0.9' / 'bin' / 'java'))}" in told[0]
    assert "SharedArchiveFile" not in told[1]
    assert f"-cp {tmp_path / 'jars' / 'a.jar'}:{tmp_path / 'jars' / 'kafka_2.13-4.1.1.jar'} kafka.Kafka" in told[1]


@kafka
@pytest.mark.usefixtures("installed")
def test_an_archive_of_classes_is_made_once_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jars = tmp_path / "jars"
    jars.mkdir()
    for jar in jars_folder().glob("*.jar"):
        (jars / jar.name).symlink_to(jar)
    monkeypatch.setenv("MOSAICAST_KAFKA_HOME", str(jars))
    archive = class_archive_maker.make()
    made = archive.stat().st_mtime_ns
    assert class_archive_maker.make() == archive
    assert archive.stat().st_mtime_ns == made
    assert [path for path in jars.iterdir() if path.suffix != ".jar"] == [archive]
    with KafkaServer(tmp_path / "data") as server:
        mapped = Path(f"/proc/{server.pid}/maps").read_text()
    assert str(archive) in mapped


@pytest.mark.parametrize(("version", "fits"), [("1.8.0_402", False), ("11.0.2", False), ("17", True), ("25.0.1", True)])
def test_java_must_be_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, fits: bool) -> None:
    java = fake_java(tmp_path, version)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr(kafka_server, "_packaged_java", lambda: None)
    assert find_java() == (str(java) if fits else None)


def test_jars_without_a_java_are_not_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kafka_2.13-4.1.1.jar").touch()
    monkeypatch.setenv("MOSAICAST_KAFKA_HOME", str(tmp_path))
    monkeypatch.setattr(kafka_server, "find_java", lambda: None)
    assert "Java" in (missing() or "")
