"""What an operator can set."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, NestedSecretsSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from mosaicast.runtime.settings.blocks import (
    ApiSettings,
    ControlSettings,
    DatabaseSettings,
    DetectorSettings,
    EdgeSettings,
    GuardSettings,
    MediaSettings,
    QdrantSettings,
    RecognitionSettings,
    VaultSettings,
)
from mosaicast.runtime.settings.kafka import KafkaSettings


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
