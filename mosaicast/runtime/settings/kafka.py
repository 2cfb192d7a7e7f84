"""How a process reaches the message log."""

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import BaseModel, FilePath, SecretStr, field_validator, model_validator


class KafkaSettings(BaseModel):
    """The message log."""

    bootstrap: str = "127.0.0.1:9092"
    embedded: bool = False
    """The broker that librdkafka carries: in memory, a few streams, for trying out."""
    assignment_index: int | None = None
    """Fixed share of the partitions instead of group coordination: this instance's number ..."""
    assignment_count: int = 1
    """... of so many. For one machine, where a supervisor restarts a dead instance at once."""
    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    """As Kafka calls it: `ssl` is TLS, `sasl` a name and a password."""
    ssl_ca_location: FilePath | None = None
    """PEM file with the authority that signed the broker's certificate; None: those that the system trusts."""
    ssl_certificate_location: FilePath | None = None
    """PEM file with our certificate, for a broker that asks for one ..."""
    ssl_key_location: FilePath | None = None
    """... and with its key."""
    ssl_key_password: SecretStr | None = None
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None

    @field_validator(
        "ssl_ca_location", "ssl_certificate_location", "ssl_key_location", "ssl_key_password", "sasl_username",
        "sasl_password", mode="before",
    )  # fmt: skip
    @classmethod
    def _not_set(cls, value: object) -> object:
        return value or None  # empty is how a compose file passes on what is not set

    @field_validator("security_protocol", mode="before")
    @classmethod
    def _in_any_case(cls, protocol: object) -> object:
        return protocol.lower() if isinstance(protocol, str) else protocol  # Kafka's own files say SASL_SSL

    @model_validator(mode="after")
    def _security(self) -> Self:
        """Refuse what would not do what it says: a password that is not used, or one that anybody can read."""
        for wrong, text in (*self._tls_problems(), *self._sasl_problems()):
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
