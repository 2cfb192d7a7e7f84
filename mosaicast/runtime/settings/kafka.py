"""How a process reaches the message log. Everything that a client of Kafka can be told is a setting here."""

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, FilePath, SecretStr, field_validator, model_validator

from mosaicast.contracts.topics import Topology
from mosaicast.runtime.settings.blocks import Block

_MIB = 1024 * 1024


class KafkaSettings(Block):
    """The message log."""

    bootstrap: str = "127.0.0.1:9092"
    """HOST:PORT of a broker; several with commas."""
    embedded: bool = False
    """Whether it is the broker that librdkafka carries: in memory, a few streams, for trying out."""
    partitions: int = Field(default=Topology().partitions, ge=1, le=1024)
    """Partitions of every topic. One value for the whole installation, for good: topics are made with it, and topics
    with another number are refused. The embedded broker has 4."""
    replication: int = Field(default=-1, ge=-1, le=32767)
    """Copies of each partition, for topics that we make; -1: what the broker is set to."""
    assignment_index: int | None = Field(default=None, ge=0)
    """Number of this instance, from 0, when each instance owns a fixed share of the partitions. Without it instances
    share them as a consumer group. For one machine, where a supervisor restarts a dead instance at once."""
    assignment_count: int = Field(default=1, ge=1)
    """Number of instances that own fixed shares."""
    group_protocol: Literal["auto", "classic", "consumer"] = "auto"
    """How a consumer group works: `consumer` is KIP-848 (Kafka 4.0 or newer), `classic` is older. `auto` is `consumer`,
    but `classic` on the embedded broker and for a named instance."""
    instance: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]+$", max_length=200)
    """Name of this instance as a static member of its group (`group.instance.id`): restarted, it takes its partitions
    back at once. A StatefulSet's pod name fits. Classic groups only."""
    send_queue_bytes: int = Field(default=64 * _MIB, ge=_MIB, le=2047 * _MIB)
    """Bytes of messages that may wait to be sent; a full queue refuses messages and counts them."""
    delivery_timeout_s: float = Field(default=10.0, ge=1.0, le=300.0)
    """Seconds after which a message that was not delivered is dropped and counted."""
    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    """As Kafka calls it: `ssl` is TLS, `sasl` a name and a password. In any case of letters."""
    ssl_ca_location: FilePath | None = None
    """PEM file with the authority that signed the broker's certificate. Without it those that the system trusts."""
    ssl_certificate_location: FilePath | None = None
    """PEM file with our certificate, for a broker that asks for one."""
    ssl_key_location: FilePath | None = None
    """PEM file with the key of our certificate."""
    ssl_key_password: SecretStr | None = None
    """Password of that key."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How name and password are proven."""
    sasl_username: str | None = None
    """Name for SASL."""
    sasl_password: SecretStr | None = None
    """Password for SASL."""

    @property
    def topology(self) -> Topology:
        """How streams are spread over partitions."""
        return Topology(self.partitions)

    @field_validator(
        "ssl_ca_location", "ssl_certificate_location", "ssl_key_location", "ssl_key_password", "sasl_username",
        "sasl_password", "instance", "assignment_index", mode="before",
    )  # fmt: skip
    @classmethod
    def _not_set(cls, value: object) -> object:
        return None if value == "" else value  # empty is how a compose file passes on what is not set

    @field_validator("security_protocol", mode="before")
    @classmethod
    def _in_any_case(cls, protocol: object) -> object:
        return protocol.lower() if isinstance(protocol, str) else protocol  # Kafka's own files say SASL_SSL

    @model_validator(mode="after")
    def _does_what_it_says(self) -> Self:
        """Refuse what would not do what it says: a password that is not used, or one that anybody can read."""
        for wrong, text in (*self._tls_problems(), *self._sasl_problems(), *self._sharing_problems()):
            if wrong:
                raise ValueError(text)
        return self

    def _tls_problems(self) -> Iterator[tuple[bool, str]]:
        files = (self.ssl_ca_location, self.ssl_certificate_location, self.ssl_key_location)
        unused = not self.security_protocol.endswith("ssl") and (any(files) or bool(self.ssl_key_password))
        yield unused, f"ssl_... is set, but security_protocol {self.security_protocol} has no TLS: say ssl or sasl_ssl"
        yield bool(files[1]) != bool(files[2]), "ssl_certificate_location and ssl_key_location go together"
        yield bool(self.ssl_key_password and not files[2]), "ssl_key_password is set, but no ssl_key_location"
        yield self.embedded and self.security_protocol != "plaintext", "the embedded broker speaks plaintext only"

    def _sasl_problems(self) -> Iterator[tuple[bool, str]]:
        sasl = self.security_protocol.startswith("sasl")
        login = (self.sasl_username, self.sasl_password)
        yield sasl and not all(login), f"{self.security_protocol} needs sasl_username and sasl_password"
        unused = not sasl and any(login)
        yield unused, f"sasl_... is set, but security_protocol {self.security_protocol} asks for no password"
        readable = self.security_protocol == "sasl_plaintext" and self.sasl_mechanism == "PLAIN"
        yield readable, "PLAIN over sasl_plaintext sends the password readable: say sasl_ssl, or a SCRAM mechanism"

    def _sharing_problems(self) -> Iterator[tuple[bool, str]]:
        other = self.embedded and self.topology != Topology()
        yield other, f"the embedded broker has {Topology().partitions} partitions: leave partitions at that"
        fixed = self.assignment_index is not None
        beyond = self.assignment_index is not None and self.assignment_index >= self.assignment_count
        yield beyond, f"assignment_index {self.assignment_index} must be below assignment_count"
        yield fixed and bool(self.instance), "assignment_index is a fixed share, instance is for a group: choose one"
        kip = self.group_protocol == "consumer" and bool(self.instance)
        yield kip, "a named instance needs group_protocol classic (or auto)"
