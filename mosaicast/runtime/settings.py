"""Settings of every process: environment (MOSAICAST_KAFKA__BOOTSTRAP=...), an env file, secret files.

Order, first wins: arguments, environment, the file named by MOSAICAST_ENV_FILE, secret files in the folder named
by MOSAICAST_SECRETS_DIR (one file a setting, e.g. `mosaicast_edge__token`), the defaults below.

A service keeps the blocks that it needs (`BLOCKS`) and forgets the others, with the secrets in them.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, FilePath, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from mosaicast.core.allowed import FILE_CODECS, FILE_FORMATS, LIVE_CODECS, Allowed


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


class EdgeSettings(BaseModel):
    """The media server."""

    rtmp_url: str = "rtmp://127.0.0.1:1935"
    """Where services reach it."""
    public_rtmp_url: str = "rtmp://127.0.0.1:1935"
    """Where streamers and viewers reach it."""
    public_hls_url: str = "http://127.0.0.1:8080/hls"
    token: SecretStr = SecretStr("")
    """Presented by our services to play raw pictures and to publish masked ones, and by the edge's hooks."""


class ControlSettings(BaseModel):
    """The media server's own pages, for the api: who publishes, and cutting somebody off."""

    url: str | None = None
    """Where nginx-rtmp's `/stat` and `/control` are, e.g. http://127.0.0.1:8081; None: they are not used."""
    token: SecretStr = SecretStr("")
    """Presented there."""


class ApiSettings(BaseModel):
    """The HTTP API."""

    host: str = "127.0.0.1"
    port: int = 8000
    admin_token: SecretStr | None = None
    """Preset administrator token; None: one is made at first start and printed once."""


class QdrantSettings(BaseModel):
    """The gallery of enrolled faces."""

    url: str | None = None
    """A server; None: local mode in `data_dir`/qdrant."""
    api_key: SecretStr | None = None
    timeout_s: float = 0.5


class DetectorSettings(BaseModel):
    """The face detector."""

    model: Literal["centerface", "mtcnn", "ultralytics"] = "centerface"
    weights: Path | None = None
    """For ultralytics: the operator's detector file."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    width: int = Field(default=736, ge=320, le=1600)
    """Pixels that a 16:9 picture's width is scaled to; 832 finds smaller faces and costs a third more."""
    workers: int = Field(default=1, ge=1, le=64)
    batch: int = Field(default=1, ge=1, le=64)
    """Frames a run; a CPU gains nothing from more than one."""


class GuardSettings(BaseModel):
    """The output guard: the detector looks at the masked picture too, and what it should not see trips full mosaic."""

    looks_per_s: float = Field(default=1.0, ge=0.0, le=10.0)
    """Of each stream; 0 switches it off. One a second costs about 2 % of the pipeline's CPU."""


class RecognitionSettings(BaseModel):
    """The networks that say who is who, by the names of `mosaicast models list`.

    After a change the people who are enrolled stay masked until `mosaicast reindex` has run.
    """

    first: str = "dlib-resnet"
    """Looks at every candidate."""
    first_floor: float | None = Field(default=None, ge=0.2, le=1.0)
    """Cosine from which a look may be the person; None: the measured one, or .97 for a network that nobody measured.
    `mosaicast calibrate` recommends one for your pictures."""
    second: str = "facenet-casia"
    """Must say the same before anybody is seen; `none`: the first decides alone."""
    second_floor: float | None = Field(default=None, ge=0.2, le=1.0)
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    """Where FaceNet runs; the others run on the CPU. CUDA needs the extra `gpu`."""

    @field_validator("first", "second")
    @classmethod
    def _as_listed(cls, name: str) -> str:
        return name.replace("_", "-")  # as vectors are labelled, and as everybody mistypes it

    @model_validator(mode="after")
    def _two_opinions(self) -> Self:
        if self.first == self.second:
            raise ValueError("first and second are the same network: that is one opinion, say second=none")
        return self

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the networks, the first one first."""
        return (self.first,) if self.second == "none" else (self.first, self.second)

    @property
    def floors(self) -> tuple[float | None, ...]:
        """The floor of each network."""
        return (self.first_floor, self.second_floor)[: len(self.networks)]


Names = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+(,[A-Za-z0-9_]+)*$", max_length=2000)]
"""Names with commas between them, no spaces."""


class MediaSettings(BaseModel):
    """What the media of strangers may be; everything else is refused before a decoder sees it.

    FFmpeg's names: of codecs as `ffmpeg -codecs` lists them, of containers as `ffmpeg -demuxers` does.
    """

    live_codecs: Names = LIVE_CODECS
    file_codecs: Names = FILE_CODECS
    file_formats: Names = FILE_FORMATS

    @property
    def live(self) -> Allowed:
        """What a live source may be."""
        return Allowed.live(self.live_codecs)

    @property
    def file(self) -> Allowed:
        """What a file may be."""
        return Allowed.file(self.file_codecs, self.file_formats)


class DatabaseSettings(BaseModel):
    """The api's database."""

    url: str | None = None
    """SQLAlchemy URL; None: SQLite in `data_dir`."""


class VaultSettings(BaseModel):
    """The photos of enrolled people, encrypted in `data_dir`/vault, and the templates of the gallery's local mode."""

    key: SecretStr | None = None
    """Base64 of 32 random bytes (`openssl rand -base64 32`); None: one is made at the first start, in
    `data_dir`/secrets/vault_key, where a copy of the whole folder has both."""


class Settings(BaseSettings):
    """Everything that an operator can set."""

    model_config = SettingsConfigDict(env_prefix="MOSAICAST_", env_nested_delimiter="__", extra="ignore", frozen=True)

    data_dir: Path = Path("var/data")
    cache_dir: Path = Path(".cache")
    """Rebuilt models; may be deleted at any time."""
    models_dir: Path = Path("var/models")
    """Downloaded models, and the operator's own."""
    media_dir: Path | None = None
    """Files below it may be the source of a stream; None: no file may."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    instance: str = "0"
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=0, ge=0, le=65535)
    """0 lets the system choose."""
    kafka: KafkaSettings = KafkaSettings()
    edge: EdgeSettings = EdgeSettings()
    control: ControlSettings = ControlSettings()
    media: MediaSettings = MediaSettings()
    api: ApiSettings = ApiSettings()
    qdrant: QdrantSettings = QdrantSettings()
    detector: DetectorSettings = DetectorSettings()
    guard: GuardSettings = GuardSettings()
    recognition: RecognitionSettings = RecognitionSettings()
    database: DatabaseSettings = DatabaseSettings()
    vault: VaultSettings = VaultSettings()

    @property
    def vault_key(self) -> str | None:
        """The preset key of photos and templates; None: it is in `vault_key_path`."""
        return self.vault.key.get_secret_value() if self.vault.key is not None else None

    @property
    def vault_key_path(self) -> Path:
        """Where the key lies that is made at the first start."""
        return self.data_dir / "secrets" / "vault_key"

    @property
    def hls_path(self) -> Path:
        """Folder of HLS, written by the compositor and served by the edge. One compositor owns it: it empties it."""
        return self.data_dir / "hls"

    @property
    def qdrant_path(self) -> Path:
        """Folder of the gallery's local mode."""
        return self.data_dir / "qdrant"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read secret files with the same nested names as the environment."""
        sources = [init_settings, env_settings, dotenv_settings]
        if "MOSAICAST_SECRETS_DIR" in os.environ:
            sources.append(NestedSecretsSettingsSource(file_secret_settings, secrets_nested_delimiter="__"))
        return tuple(sources)


Service = Literal["api", "ingest", "detector", "recognizer", "compositor"]

BLOCKS: Mapping[Service, frozenset[str]] = {
    "api": frozenset({"kafka", "edge", "control", "api", "qdrant", "recognition", "database", "vault"}),
    "ingest": frozenset({"kafka", "edge", "media"}),
    "detector": frozenset({"kafka", "detector", "guard"}),
    "recognizer": frozenset({"kafka", "qdrant", "recognition", "vault"}),
    "compositor": frozenset({"kafka", "edge", "media", "guard"}),
}
"""Which blocks of settings a service needs. The edge's token, the administrator's, the gallery's key, the vault's and
the database's password are in them: nobody has another's. Single settings (`data_dir`, `log_level`) are everybody's."""

_PREFIX = "MOSAICAST_"
_WHERE = frozenset({"MOSAICAST_ENV_FILE", "MOSAICAST_SECRETS_DIR"})


def environment_for(service: Service, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a service may see of an environment: what is not ours, and of ours the settings that it needs."""
    return {name: text for name, text in environment.items() if _is_for(service, name.upper())}


def foreign(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without anything of ours: for programs of others that we start."""
    return {name: text for name, text in environment.items() if not name.upper().startswith(_PREFIX)}


def _is_for(service: Service, name: str) -> bool:
    if not name.startswith(_PREFIX) or name in _WHERE:
        return True
    first = name.removeprefix(_PREFIX).partition("__")[0].lower()
    return first in Settings.model_fields and (first in BLOCKS[service] or not _is_block(first))


def _is_block(name: str) -> bool:
    return isinstance(Settings.model_fields[name].default, BaseModel)


class WrongSettingsError(Exception):
    """Settings are wrong: the operator's to mend. The text names them and what they should be, never their values."""


def load(**overrides: object) -> Settings:
    """Read the settings of this process.

    Raises:
        WrongSettingsError: a value is wrong.
    """
    try:
        return Settings(
            _env_file=os.environ.get("MOSAICAST_ENV_FILE"),  # type: ignore[call-arg]
            _secrets_dir=os.environ.get("MOSAICAST_SECRETS_DIR"),
            **overrides,  # type: ignore[arg-type]
        )
    except ValidationError as exc:
        # Without the cause: its text holds values, and secrets are among them.
        raise WrongSettingsError("; ".join(map(_explained, exc.errors(include_input=False)))) from None
    except SettingsError as exc:
        raise WrongSettingsError(str(exc)) from None


def load_or_exit(service: Service) -> Settings:
    """Read the settings of a service's process; wrong ones end it with a sentence and exit status 1.

    Call it once, first: what is not the service's is forgotten, and everything of ours leaves the environment, so that
    no program or library that runs in or under this process finds a secret there.
    """
    try:
        loaded = load()
    except WrongSettingsError as exc:
        sys.exit(f"mosaicast: {exc}")
    for name in [name for name in os.environ if name.upper().startswith(_PREFIX)]:
        del os.environ[name]
    others = {name for name in Settings.model_fields if _is_block(name)} - BLOCKS[service]
    return loaded.model_copy(update={name: Settings.model_fields[name].default for name in others})


def _explained(error: ErrorDetails) -> str:
    name = "__".join(["MOSAICAST", *map(str, error["loc"])]).upper().replace("__", "_", 1)
    return f"{name}: {error['msg'].removeprefix('Value error, ')}"
