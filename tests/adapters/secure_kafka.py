"""A Kafka as operators run it: TLS by an authority of its own, names with passwords, certificates of clients."""

import datetime
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mosaicast.adapters.kafka.server import KafkaServer
from mosaicast.adapters.kafka.server_settings import server_properties

USER, PASSWORD, KEY_PASSWORD = "mosaicast", "planted-password-7f3a", "planted-key-password-91c2"
SCRAM = {
    "SCRAM-SHA-256": ScramMechanism.SCRAM_SHA_256,
    "SCRAM-SHA-512": ScramMechanism.SCRAM_SHA_512,
}


@dataclass(frozen=True)
class Issued:
    """PEM files of one certificate."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; all files lie in `folder`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._own = self._signed(name, self._key, is_authority=True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._own.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, password: str | None = None) -> Issued:
        """Make a certificate for 127.0.0.1, its key under `password`."""
        key = ec.generate_private_key(ec.SECP256R1())
        issued = Issued(self._folder / f"{self._name}-{name}.crt.pem", self._folder / f"{self._name}-{name}.key.pem")
        issued.certificate.write_bytes(self._signed(name, key).public_bytes(serialization.Encoding.PEM))
        issued.key.write_bytes(_pem(key, password))
        return issued

    def _signed(self, name: str, key: ec.EllipticCurvePrivateKey, *, is_authority: bool = False) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = subject if is_authority else self._own.subject
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(names, critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _pem(key: ec.EllipticCurvePrivateKey, password: str | None) -> bytes:
    sealed = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)


class SecureKafka:
    """A running Kafka that listens with TLS and SASL too, as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder, "authority")
        self.stranger = Authority(folder, "stranger")
        self.client = self.authority.issue("client", KEY_PASSWORD)
        self._keys = _key_store(folder / "broker.pem", self.authority.issue("broker"))
        self.ports = dict(zip(("SSL", "SASL_SSL", "SASL_PLAINTEXT"), _free_ports(3), strict=True))
        self.server = KafkaServer(folder / "kafka", properties=self._properties)
        self._opened = ExitStack()

    def __enter__(self) -> "SecureKafka":
        self._opened.enter_context(self.server)
        admin = AdminClient({"bootstrap.servers": self.server.bootstrap})
        for mechanism in SCRAM.values():
            user = UserScramCredentialUpsertion(USER, ScramCredentialInfo(mechanism, 4096), PASSWORD.encode())
            admin.alter_user_scram_credentials([user])[USER].result()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def at(self, protocol: str) -> str:
        """Return HOST:PORT of the listener for a protocol."""
        return f"127.0.0.1:{self.ports[protocol.upper()]}"

    def _properties(self, data: Path, broker_port: int, controller_port: int) -> str:
        text = server_properties(data, broker_port, controller_port)
        added = "".join(f",{protocol}://127.0.0.1:{port}" for protocol, port in self.ports.items())
        plain = f"PLAINTEXT://127.0.0.1:{broker_port}"
        module = "org.apache.kafka.common.security"
        more = {
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": ",".join(f"{name}:{name}" for name in ("PLAINTEXT", *self.ports))
            + ",CONTROLLER:PLAINTEXT",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._keys,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.authority.file,
            "listener.name.ssl.ssl.client.auth": "required",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        }
        for listener in ("sasl_ssl", "sasl_plaintext"):
            login = f'{module}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
            more[f"listener.name.{listener}.plain.sasl.jaas.config"] = login
            for mechanism in SCRAM:
                scram = f"{module}.scram.ScramLoginModule required;"
                more[f"listener.name.{listener}.{mechanism.lower()}.sasl.jaas.config"] = scram
        return text.replace(plain, plain + added) + "".join(f"{name}={value}\n" for name, value in more.items())


def _key_store(path: Path, issued: Issued) -> Path:
    path.write_bytes(issued.key.read_bytes() + issued.certificate.read_bytes())
    return path


def _free_ports(count: int) -> list[int]:
    with ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
