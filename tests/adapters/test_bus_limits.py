"""The parts of the message log that need no broker, and what happens when there is none."""

import json
import logging
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from structlog.testing import capture_logs

from mosaicast.adapters.kafka import BusConsumer, BusError, BusProducer, KafkaConfig, StateReader, ensure_topics
from mosaicast.adapters.kafka import log as kafka_log
from mosaicast.adapters.kafka.assignment import CoPartitions
from mosaicast.adapters.kafka.config import consumer_settings, group_settings, producer_settings
from mosaicast.adapters.kafka.embedded_broker import EmbeddedBroker
from mosaicast.adapters.kafka.errors import bus_error
from mosaicast.adapters.kafka.log import LINES, WINDOW_S, ClientLog, RateLimit
from mosaicast.adapters.kafka.topics import topic_settings
from mosaicast.contracts.errors import ContractError
from mosaicast.contracts.topics import GALLERY, KIB, STREAMS, TOPICS, Topic, Topology
from mosaicast.runtime import logs
from tests.adapters.bus_tools import change, reading, sending, unique, within_limit
from tests.adapters.examples import SPEC, VERDICT

MODULES = "kafka kafka.config kafka.consumer kafka.producer kafka.state kafka.topics kafka.server kafka.embedded_broker"


@pytest.fixture
def nowhere() -> Iterator[KafkaConfig]:
    """An address where nobody answers: bound, not listening."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield KafkaConfig(f"127.0.0.1:{held.getsockname()[1]}", "tests", delivery_timeout_s=0.5)


# --- no broker ----------------------------------------------------------------------------------------------


def test_without_a_broker_the_queue_fills_and_all_is_counted(nowhere: KafkaConfig) -> None:
    drops: Counter[tuple[str, str]] = Counter()
    config = KafkaConfig(nowhere.bootstrap, "tests", delivery_timeout_s=1.0, send_queue_bytes=16 * KIB)
    with sending(config, drops) as producer:
        accepted = sum(producer.send(GALLERY, change(unique("owner"))) for _ in range(3000))
        assert 0 < accepted < 3000
        assert producer.flush(30.0) == 0
    assert drops == {("gallery", "queue_full"): 3000 - accepted, ("gallery", "timeout"): accepted}


def test_closing_without_a_broker_ends_and_counts(nowhere: KafkaConfig) -> None:
    drops: Counter[tuple[str, str]] = Counter()
    config = KafkaConfig(nowhere.bootstrap, "tests", delivery_timeout_s=60.0)
    producer = BusProducer(config, lambda topic, reason: drops.update([(topic, reason)]))
    assert producer.send(GALLERY, change("o"))
    producer.close(timeout_s=0.1)
    producer.close()
    assert drops == {("gallery", "closed"): 1}
    assert not producer.send(GALLERY, change("o"))
    assert drops == {("gallery", "closed"): 2}


def test_without_a_broker_reading_is_silence(nowhere: KafkaConfig) -> None:
    told: list[frozenset[int]] = []
    share = KafkaConfig(nowhere.bootstrap, "tests", static_assignment=(0, 1))
    for config in (nowhere, share):
        consumer = BusConsumer(config, [GALLERY], "g", told.append, told.append)
        assert consumer.poll(0.1) == []
        assert consumer.partitions == frozenset()
        consumer.close()
    reader = StateReader(nowhere, STREAMS)
    assert reader.poll(0.1) == []
    assert not reader.caught_up
    reader.close()
    assert told == []


def test_without_a_broker_topics_are_our_error(nowhere: KafkaConfig) -> None:
    with pytest.raises(BusError) as caught:
        ensure_topics(nowhere, timeout_s=0.3)
    assert (caught.value.fault, caught.value.retry) == ("broker", True)


def test_a_broker_that_goes_away_is_silence_too() -> None:
    drops: Counter[tuple[str, str]] = Counter()
    with EmbeddedBroker() as broker:
        config = KafkaConfig(broker.bootstrap, "tests", embedded=True, static_assignment=(0, 1))
        hasty = replace(config, delivery_timeout_s=0.5)
        with reading(config, GALLERY) as reader, sending(config, drops) as first, sending(hasty, drops) as producer:
            first.send(GALLERY, change("o"))
            reader.until(lambda: reader.got)
            broker.__exit__()
            assert producer.send(GALLERY, change("o"))
            within_limit(lambda: drops, lambda: reader.poll(0.05))
            assert len(reader.got) == 1
            assert reader.consumer.partitions == frozenset(Topology().numbers)
    assert drops == {("gallery", "timeout"): 1}


def test_the_embedded_broker_has_an_address_only_while_it_runs() -> None:
    broker = EmbeddedBroker()
    with pytest.raises(BusError):
        _ = broker.bootstrap
    with broker:
        assert broker.bootstrap.startswith("127.0.0.1:")
    with pytest.raises(BusError):
        _ = broker.bootstrap


def test_two_embedded_brokers_share_nothing() -> None:
    with EmbeddedBroker() as first, EmbeddedBroker() as second:
        one, other = (
            KafkaConfig(broker.bootstrap, "tests", embedded=True, static_assignment=(0, 1))
            for broker in (first, second)
        )
        with reading(one, GALLERY) as reader, sending(one) as producer, sending(other) as stranger:
            stranger.send(GALLERY, change("stranger"))
            assert stranger.flush(10.0) == 0
            producer.send(GALLERY, change("ours"))
            reader.until(lambda: reader.of("ours"))
    assert [received.key for received in reader.got] == ["ours"]


# --- callers' bugs ------------------------------------------------------------------------------------------


def test_a_message_of_another_topic_is_a_bug(nowhere: KafkaConfig) -> None:
    wrong: Any = VERDICT
    with sending(nowhere) as producer, pytest.raises(ContractError, match="wrong_topic"):
        producer.send(GALLERY, wrong)


@pytest.mark.parametrize(("topic", "key"), [(GALLERY, "owner-1"), (STREAMS, None)])
def test_deleting_without_compaction_or_key_is_a_bug(nowhere: KafkaConfig, topic: Topic[Any], key: str | None) -> None:
    with sending(nowhere) as producer, pytest.raises(ContractError, match="no_tombstone"):
        producer.send(topic, None, key=key)


def test_another_key_than_the_messages_is_a_bug(nowhere: KafkaConfig) -> None:
    with sending(nowhere) as producer:
        with pytest.raises(ContractError, match="wrong_key"):
            producer.send(STREAMS, SPEC, key="another")
        assert producer.send(STREAMS, SPEC, key=SPEC.stream_id)


def test_impossible_shares_and_protocols_are_refused() -> None:
    for share in ((1, 1), (-1, 2), (0, 0)):
        with pytest.raises(ValueError, match="static_assignment"):
            KafkaConfig("h:1", "c", static_assignment=share)
    with pytest.raises(ValueError, match="classic"):
        KafkaConfig("h:1", "c", instance="a", group_protocol="consumer")


def test_wrong_settings_are_the_operators_fault() -> None:
    config = KafkaConfig("127.0.0.1:1", "tests", options={"security.protocol": "carrier-pigeon"})
    with pytest.raises(BusError) as caught:
        BusConsumer(config, [GALLERY], "g", lambda _: None, lambda _: None)
    assert (caught.value.fault, caught.value.retry) == ("operator", False)


# --- pure parts ---------------------------------------------------------------------------------------------


def test_shares_are_disjoint_and_whole() -> None:
    for topology in (Topology(), Topology(5)):
        for count in range(1, 7):
            shares = [topology.share(index, count) for index in range(count)]
            assert sorted(number for share in shares for number in share) == list(topology.numbers)


def test_a_number_counts_only_while_all_topics_have_it() -> None:
    held = CoPartitions(["a", "b"])
    assert held.add([]) == held.remove([]) == held.clear() == frozenset()
    assert held.add([("a", 0), ("a", 1)]) == frozenset()
    assert held.halves() == [("a", 0), ("a", 1)]
    assert held.add([("b", 1)]) == {1}
    assert held.complete == {1}
    assert held.add([("b", 1)]) == frozenset()
    assert held.remove([("a", 1)]) == {1}
    assert held.remove([("b", 1)]) == frozenset()
    assert held.halves() == [("a", 0)]
    assert held.add([("b", 0)]) == {0}
    assert held.clear() == {0}
    assert held.halves() == []


def test_the_rate_limit_admits_so_many_a_second() -> None:
    limit = RateLimit(3)
    assert [limit.admit(now) for now in (5.0, 5.1, 5.2, 5.3, 5.9)] == [True, True, True, False, False]
    assert [limit.admit(now) for now in (6.0, 6.5, 6.9, 6.99)] == [True, True, True, False]
    assert RateLimit(0).admit(0.0) is False


def test_a_flood_of_librdkafkas_lines_is_a_few_and_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(kafka_log, "monotonic_s", lambda: now_s)
    log = ClientLog()
    with capture_logs() as lines:
        for _ in range(400):
            log.log(logging.ERROR, "%s: refused", "FAIL")
        now_s += WINDOW_S
        log.log(logging.WARNING, "%s: again", "FAIL")
    told = [(line["log_level"], line["text"], line["left_out"]) for line in lines]
    assert told == [("error", "FAIL: refused", 0)] * LINES + [("warning", "FAIL: again", 400 - LINES)]


def test_what_librdkafka_says_of_a_secret_is_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("detector")
    ClientLog().log(logging.WARNING, "%s: sasl.password = %s", "CONF", "planted")
    line = json.loads(capsys.readouterr().err)
    assert (line["service"], line["event"], line["text"]) == (
        "detector",
        "client_said",
        "CONF: sasl.password = [redacted]",
    )


@pytest.mark.parametrize(
    ("config", "incremental"),
    [
        (KafkaConfig("h:1", "c"), True),
        (KafkaConfig("h:1", "c", embedded=True), False),
        (KafkaConfig("h:1", "c", instance="detector-0"), False),
        (KafkaConfig("h:1", "c", group_protocol="classic"), False),
        (KafkaConfig("h:1", "c", embedded=True, group_protocol="consumer"), True),
    ],
)
def test_the_group_protocol(config: KafkaConfig, incremental: bool) -> None:
    settings = group_settings(config, "g")
    assert config.incremental is incremental
    # A client with KIP-848 refuses settings that are the broker's there.
    assert ("session.timeout.ms" in settings) is not incremental
    assert settings.get("group.instance.id") == (None if config.instance is None else "g-detector-0")


def test_no_default_that_hurts_is_left() -> None:
    for embedded in (False, True):
        config = KafkaConfig("h:1", "c", embedded=embedded)
        reading_settings, sending_settings = consumer_settings(config, from_beginning=False), producer_settings(config)
        assert reading_settings["fetch.wait.max.ms"] <= 100
        assert reading_settings["fetch.queue.backoff.ms"] <= 10
        assert reading_settings["auto.offset.reset"] == "latest"
        assert sending_settings["linger.ms"] == 0
        assert sending_settings["max.in.flight.requests.per.connection"] == 1


def test_operators_add_security() -> None:
    config = KafkaConfig("h:1", "c", options={"security.protocol": "SSL"})
    assert producer_settings(config)["security.protocol"] == "SSL"


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_topics_keep_what_the_contract_says(topic: Topic[Any]) -> None:
    settings = topic_settings(topic)
    assert int(settings["max.message.bytes"]) > topic.largest_bytes
    assert (settings["cleanup.policy"] == "compact") is topic.compacted
    if topic.retention_ms is not None:
        assert 0 < int(settings["retention.ms"]) < topic.retention_ms
        assert int(settings["segment.ms"]) <= topic.retention_ms / 4


@pytest.mark.parametrize(
    ("error", "fault", "retry"),
    [
        (KafkaError(KafkaError._ALL_BROKERS_DOWN), "broker", True),
        (KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), "operator", False),
        (KafkaError(KafkaError.FENCED_INSTANCE_ID, "fenced", fatal=True), "broker", False),
        (KafkaException(KafkaError(KafkaError._AUTHENTICATION)), "operator", False),
    ],
)
def test_errors_say_whose_fault_and_whether_to_retry(
    error: KafkaError | KafkaException, fault: str, retry: bool
) -> None:
    mapped = bus_error(error, "trying")
    assert (mapped.fault, mapped.retry) == (fault, retry)
    assert str(mapped).startswith("trying: ")


def test_importing_opens_nothing_and_says_nothing() -> None:
    code = (
        "import importlib, os, threading\n"
        f"[importlib.import_module('mosaicast.adapters.' + name) for name in '{MODULES}'.split()]\n"
        "paths = [f'/proc/self/fd/{number}' for number in os.listdir('/proc/self/fd')]\n"
        "links = [os.readlink(path) for path in paths if os.path.lexists(path)]\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
        "assert len(os.listdir('/proc/self/task')) == 1\n"
        "assert not [link for link in links if link.startswith('socket')], links\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_broker_and_its_clients_leave_standard_output_alone() -> None:
    code = (
        "from tests.adapters.bus_tools import *\n"
        "from mosaicast.adapters.kafka.embedded_broker import EmbeddedBroker\n"
        "from mosaicast.contracts.topics import GALLERY\n"
        "with EmbeddedBroker() as broker:\n"
        "    config = KafkaConfig(broker.bootstrap, 't', embedded=True, static_assignment=(0, 1))\n"
        "    with reading(config, GALLERY) as reader, sending(config) as producer:\n"
        "        producer.send(GALLERY, change('o'))\n"
        "        reader.until(lambda: reader.got)\n"
        "        broker.__exit__()\n"
        "        reader.poll(0.3)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"")
