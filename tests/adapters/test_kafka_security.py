"""TLS and passwords, from the settings to a real Kafka that demands them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from pydantic import SecretStr
from structlog.testing import capture_logs

from mosaicast.adapters.kafka import (
    BusConsumer,
    BusError,
    BusProducer,
    KafkaConfig,
    StateReader,
    TailReader,
    ensure_topics,
)
from mosaicast.adapters.kafka import access as kafka_access
from mosaicast.adapters.kafka.access import PATIENCE_S, Refusals, refusal
from mosaicast.adapters.kafka.server import missing
from mosaicast.contracts.topics import GALLERY, STATUS, STREAMS
from mosaicast.runtime.settings import KafkaSettings, Settings
from services.cli.stack import Stack, StackOptions
from services.wiring import kafka_config, security_options
from tests.adapters.bus_tools import change, key_on, keyed, reading, unique, within_limit
from tests.adapters.examples import REPORT, SPEC
from tests.adapters.secure_kafka import KEY_PASSWORD, PASSWORD, USER, SecureKafka

kafka = pytest.mark.kafka
ROOT = Path(__file__).parents[2]
SECRETS = (PASSWORD, KEY_PASSWORD, "wrong-planted")


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    lack = missing()
    if lack is not None:
        pytest.skip(lack)
    with SecureKafka(tmp_path_factory.mktemp("secure")) as running:
        yield running


def settings_for(secure: SecureKafka, protocol: str, **changes: Any) -> KafkaSettings:
    """Return the settings that a broker's listener wants, some of them changed."""
    wanted: dict[str, Any] = {"bootstrap": secure.at(protocol), "security_protocol": protocol}
    if protocol.endswith("ssl"):
        wanted["ssl_ca_location"] = secure.authority.file
    if protocol.startswith("sasl"):
        wanted |= {"sasl_username": USER, "sasl_password": PASSWORD}
    else:
        wanted |= {
            "ssl_certificate_location": secure.client.certificate,
            "ssl_key_location": secure.client.key,
            "ssl_key_password": KEY_PASSWORD,
        }
    return KafkaSettings(**{**wanted, **changes})


def config_for(kafka_settings: KafkaSettings) -> KafkaConfig:
    return kafka_config(Settings(kafka=kafka_settings), "tests")


WAYS = [
    pytest.param("sasl_ssl", {"sasl_mechanism": "SCRAM-SHA-512"}, id="scram-512-over-tls"),
    pytest.param("sasl_ssl", {"sasl_mechanism": "SCRAM-SHA-256"}, id="scram-256-over-tls"),
    pytest.param("sasl_ssl", {"sasl_mechanism": "PLAIN"}, id="plain-over-tls"),
    pytest.param("sasl_plaintext", {}, id="scram-without-tls"),
    pytest.param("ssl", {}, id="certificates-of-both"),
]


@kafka
@pytest.mark.parametrize(("protocol", "changes"), WAYS)
def test_everything_that_reads_or_sends_is_let_in(secure: SecureKafka, protocol: str, changes: dict[str, Any]) -> None:
    config = config_for(settings_for(secure, protocol, **changes))
    ensure_topics(config)
    owner, stream = unique("owner"), key_on(2)
    with reading(config, GALLERY) as member:  # a group
        member.until(lambda: member.consumer.partitions)
        producer = BusProducer(config)
        producer.send(GALLERY, change(owner))
        producer.send(STREAMS, keyed(SPEC, STREAMS, stream))
        producer.send(STATUS, keyed(REPORT, STATUS, stream))
        assert producer.flush(30.0) == 0
        producer.close()
        member.until(lambda: member.of(owner))
    assert stream in keys_in(StateReader(config, STREAMS))
    assert stream in keys_in(TailReader(config, STATUS))


def keys_in(reader: StateReader) -> set[str]:
    """Read to the end and close."""
    keys: set[str] = set()
    within_limit(lambda: reader.caught_up, lambda: keys.update(item.key for item in reader.poll(0.1)))
    reader.close()
    return keys


def refused(secure: SecureKafka) -> list[tuple[KafkaSettings, str]]:
    """Return settings that the broker does not take, and what must be said."""
    plain = {"bootstrap": secure.server.bootstrap}
    return [
        (settings_for(secure, "sasl_ssl", sasl_password="wrong-planted"), "SASL_PASSWORD"),
        (settings_for(secure, "sasl_ssl", ssl_ca_location=secure.stranger.file), "SSL_CA_LOCATION"),
        (settings_for(secure, "sasl_ssl", ssl_ca_location=None), "SSL_CA_LOCATION"),
        (settings_for(secure, "ssl", ssl_key_password="wrong-planted"), "ssl.key.location"),
        (
            settings_for(secure, "ssl", ssl_certificate_location=None, ssl_key_location=None, ssl_key_password=None),
            "SSL_CERTIFICATE_LOCATION",
        ),
        (settings_for(secure, "sasl_plaintext", **plain), "SASL_MECHANISM"),
        (settings_for(secure, "ssl", **plain), "SECURITY_PROTOCOL"),
        (KafkaSettings(bootstrap=secure.at("ssl")), "security_protocol"),
    ]


@kafka
@pytest.mark.parametrize("case", range(8))
def test_a_refusal_is_one_sentence_without_a_secret(secure: SecureKafka, case: int) -> None:
    kafka_settings, words = refused(secure)[case]
    config = config_for(kafka_settings)
    # Who asks in plain is not answered at all, and waits in full; the others are told why as soon as the broker can.
    waits_s = 10.0 if kafka_settings.security_protocol == "plaintext" else 90.0
    with capture_logs() as lines, pytest.raises(BusError, match=words) as caught:
        ensure_topics(config, timeout_s=waits_s)
    said = f"{caught.value} {caught.value!r} {config!r} {kafka_settings!r} {lines}"
    assert not [secret for secret in SECRETS if secret in said]
    assert "\n" not in str(caught.value)


@kafka
@pytest.mark.parametrize("case", [0, 1])
def test_readers_that_are_refused_end_instead_of_waiting(
    secure: SecureKafka, case: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_access, "PATIENCE_S", 2.0)
    kafka_settings, words = refused(secure)[case]
    config = config_for(kafka_settings)
    for reader in (
        StateReader(config, STREAMS),
        BusConsumer(config, [GALLERY], unique("group"), lambda _: None, lambda _: None),
    ):
        with pytest.raises(BusError, match=words) as caught:
            within_limit(lambda: False, lambda: reader.poll(0.1))  # noqa: B023 - called at once
        assert (caught.value.fault, caught.value.retry) == ("operator", False)
        reader.close()


def environment(kafka_settings: KafkaSettings, folder: Path) -> dict[str, str]:
    """Return the environment in which `mosaicast up` runs a service with these settings."""
    options = StackOptions(
        folder, rtmp_port=0, http_port=0, api_port=0, bootstrap=kafka_settings.bootstrap, security=kafka_settings
    )
    return Stack(options)._environment(kafka_settings.bootstrap)


@kafka
def test_a_service_that_is_refused_says_so_and_ends(secure: SecureKafka, tmp_path: Path) -> None:
    for case in (0, 3):
        kafka_settings, words = refused(secure)[case]
        done = subprocess.run(
            [sys.executable, "-m", "services.ingest"], cwd=ROOT, capture_output=True, text=True, check=False,
            timeout=120, env={**os.environ, **environment(kafka_settings, tmp_path)},
        )  # fmt: skip
        assert done.returncode == 1
        assert words in done.stderr
        assert "Traceback" not in done.stderr
        assert not [secret for secret in SECRETS if secret in done.stderr + done.stdout]


@kafka
def test_up_says_in_one_sentence_why_it_does_not_start(secure: SecureKafka, tmp_path: Path) -> None:
    given = {
        "MOSAICAST_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
        "MOSAICAST_KAFKA__SSL_CA_LOCATION": str(secure.authority.file),
        "MOSAICAST_KAFKA__SASL_USERNAME": USER,
        "MOSAICAST_KAFKA__SASL_PASSWORD": "wrong-planted",
    }
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.main", "up", "--data-dir", str(tmp_path), "--bootstrap",
         secure.at("sasl_ssl"), "--rtmp-port", "0", "--http-port", "0", "--api-port", "0"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120, env={**os.environ, **given},
    )  # fmt: skip
    assert done.returncode == 1
    said = " ".join(done.stderr.split())
    assert "mosaicast: the broker refuses the user or the password" in said
    assert "wrong-planted" not in said


# --- without a broker ---------------------------------------------------------------------------------------


def test_services_get_from_up_what_up_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ca", "crt", "key"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    given = KafkaSettings(
        security_protocol="sasl_ssl", ssl_ca_location=Path("ca"), ssl_certificate_location=Path("crt"),
        ssl_key_location=Path("key"), ssl_key_password=SecretStr(KEY_PASSWORD), sasl_mechanism="PLAIN",
        sasl_username=USER, sasl_password=SecretStr(PASSWORD),
    )  # fmt: skip
    for name, text in environment(given, tmp_path).items():
        monkeypatch.setenv(name, text)
    monkeypatch.chdir("/")
    assert security_options(Settings().kafka) == {
        "security.protocol": "sasl_ssl",
        "ssl.ca.location": str(tmp_path / "ca"),
        "ssl.certificate.location": str(tmp_path / "crt"),
        "ssl.key.location": str(tmp_path / "key"),
        "ssl.key.password": KEY_PASSWORD,
        "sasl.mechanism": "PLAIN",
        "sasl.username": USER,
        "sasl.password": PASSWORD,
    }
    assert PASSWORD not in repr(StackOptions(tmp_path, security=given))


def test_plaintext_asks_for_nothing() -> None:
    assert security_options(KafkaSettings()) == {}


class Sometimes:
    """A broker that answers, or does not, at a time by hand."""

    def __init__(self) -> None:
        self.now_s, self.answers = 0.0, False
        self.refusals = Refusals(lambda: self.now_s)

    def refuse(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            self.refusals.note(KafkaError(KafkaError._AUTHENTICATION, "Invalid username or password"))
            self.now_s += 1.0

    def probe(self, timeout_s: float) -> None:
        if not self.answers:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    def check(self) -> None:
        self.refusals.check(self.probe)


def test_a_broker_that_is_starting_may_refuse_for_a_moment() -> None:
    broker = Sometimes()
    broker.refuse(PATIENCE_S - 2)
    broker.check()
    broker.now_s += 60
    broker.check()  # nothing since: it is away, and that is silence
    broker.refuse(PATIENCE_S + 2)
    broker.answers = True
    broker.check()
    broker.answers = False
    broker.check()  # what was before is forgotten
    broker.refuse(PATIENCE_S + 2)
    with pytest.raises(BusError, match="refuses the user or the password"):
        broker.check()


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (KafkaError._TRANSPORT, "Connect to ipv4#127.0.0.1:1 failed: Connection refused"),
        (KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"),
        (KafkaError._RESOLVE, "Failed to resolve 'kafka:9092'"),
    ],
)
def test_a_broker_that_is_away_refuses_nobody(code: int, text: str) -> None:
    assert refusal(KafkaError(code, text)) is None
