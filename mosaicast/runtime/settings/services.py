"""What each service can be told: one class per service, so that a process never holds what is another's."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NestedSecretsSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from mosaicast.runtime import folders
from mosaicast.runtime.settings.blocks import (
    ApiSettings,
    ControlSettings,
    DatabaseSettings,
    DetectorSettings,
    EdgeInnerSettings,
    EdgePublicSettings,
    EdgeSettings,
    GuardSettings,
    HlsSettings,
    MediaSettings,
    QdrantSettings,
    RecognitionSettings,
    VaultSettings,
)
from mosaicast.runtime.settings.kafka import KafkaSettings

PREFIX = "MOSAICAST_"


class ServiceSettings(BaseSettings):
    """What every service has."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="ignore",
        frozen=True,
        defer_build=True,  # each process needs one of the classes
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """From which level on a service logs."""
    instance: str = "0"
    """Name of this instance, for the status and for the broker's logs."""
    metrics_host: str = "127.0.0.1"
    """Address where health and metrics are served."""
    metrics_port: int = Field(default=0, ge=0, le=65535)
    """Port where health and metrics are served; 0 lets the system choose."""
    kafka: KafkaSettings = KafkaSettings()
    """The message log."""

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


class DataSettings(ServiceSettings):
    """For who keeps files."""

    data_dir: Path = Field(default_factory=folders.data_dir)
    """Folder of everything that is kept: database, gallery, photos, HLS (Linux: `~/.local/share/mosaicast/data`)."""


class ModelSettings(DataSettings):
    """For who runs face models and keeps templates."""

    models_dir: Path = Field(default_factory=folders.models_dir)
    """Folder of downloaded models, and of the operator's own (Linux: `~/.local/share/mosaicast/models`)."""
    qdrant: QdrantSettings = QdrantSettings()
    """The gallery of enrolled faces."""
    recognition: RecognitionSettings = RecognitionSettings()
    """The networks that say who is who."""
    vault: VaultSettings = VaultSettings()
    """The key of photos and templates."""

    @property
    def vault_key(self) -> str | None:
        """The preset key of photos and templates; None: it is in `vault_key_path`."""
        return self.vault.key.get_secret_value() if self.vault.key is not None else None

    @property
    def vault_key_path(self) -> Path:
        """Where the key lies that is made at the first start."""
        return self.data_dir / "secrets" / "vault_key"

    @property
    def gallery_path(self) -> Path:
        """Folder of the gallery's local mode."""
        return self.data_dir / "gallery"

    @property
    def former_gallery_path(self) -> Path:
        """Folder of the gallery's local mode in earlier versions; the api takes over what lies there."""
        return self.data_dir / "qdrant"


class ApiServiceSettings(ModelSettings):
    """What the api has."""

    media_dir: Path | None = None
    """Files below it may be the source of a stream. Without it no file may."""
    edge: EdgePublicSettings = EdgePublicSettings()
    """The media server."""
    control: ControlSettings = ControlSettings()
    """The media server's own pages."""
    api: ApiSettings = ApiSettings()
    """The HTTP API."""
    database: DatabaseSettings = DatabaseSettings()
    """The api's database."""


class IngestServiceSettings(ServiceSettings):
    """What ingest has."""

    media_dir: Path | None = None
    """Files below it may be the source of a stream. Without it no file may."""
    edge: EdgeInnerSettings = EdgeInnerSettings()
    """The media server."""
    media: MediaSettings = MediaSettings()
    """What the media of strangers may be."""


class DetectorServiceSettings(ServiceSettings):
    """What the detector has."""

    detector: DetectorSettings = DetectorSettings()
    """The face detector."""
    guard: GuardSettings = GuardSettings()
    """The output guard."""


class RecognizerServiceSettings(ModelSettings):
    """What the recognizer has."""


class CompositorServiceSettings(DataSettings):
    """What the compositor has."""

    edge: EdgeInnerSettings = EdgeInnerSettings()
    """The media server."""
    media: MediaSettings = MediaSettings()
    """What the media of strangers may be."""
    guard: GuardSettings = GuardSettings()
    """The output guard."""
    hls: HlsSettings = HlsSettings()
    """Where HLS goes."""

    @property
    def hls_path(self) -> Path:
        """Folder of HLS, written by the compositor and served by the edge. One compositor owns it: it empties it."""
        return self.data_dir / "hls"


class Settings(
    ApiServiceSettings,
    IngestServiceSettings,
    DetectorServiceSettings,
    RecognizerServiceSettings,
    CompositorServiceSettings,
):
    """Everything that an operator can set, for the command line: it checks settings before any service starts."""

    edge: EdgeSettings = EdgeSettings()
    """The media server."""


Service = Literal["api", "ingest", "detector", "recognizer", "compositor"]

SERVICES: Mapping[Service, type[ServiceSettings]] = {
    "api": ApiServiceSettings,
    "ingest": IngestServiceSettings,
    "detector": DetectorServiceSettings,
    "recognizer": RecognizerServiceSettings,
    "compositor": CompositorServiceSettings,
}
"""What each service has. The edge's token, the administrator's, the gallery's key, the vault's and the database's
password are somewhere in them: nobody has another's."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One setting, as a variable of the environment."""

    name: str
    """For example MOSAICAST_KAFKA__BOOTSTRAP."""
    field: FieldInfo
    """Its type and default."""
    block: type[BaseModel] | None
    """The block that it belongs to; None: it stands alone."""


def variables(settings: type[ServiceSettings]) -> Iterator[Variable]:
    """Yield every setting that a class has."""
    for first, field in settings.model_fields.items():
        block = type(field.default) if isinstance(field.default, BaseModel) else None
        if block is None:
            yield Variable(f"{PREFIX}{first}".upper(), field, None)
            continue
        for second, inner in block.model_fields.items():
            yield Variable(f"{PREFIX}{first}__{second}".upper(), inner, block)
