"""Settings of every process: environment (MOSAICAST_KAFKA__BOOTSTRAP=...), an env file, secret files.

Order, first wins: arguments, environment, the file named by MOSAICAST_ENV_FILE, secret files in the folder named
by MOSAICAST_SECRETS_DIR (one file a setting, e.g. `mosaicast_edge__token`), the defaults below.

A service has a class of its own (`services`), built from blocks that services share (`blocks`, `kafka`): it reads
nothing else, so that the secrets of others never are in its memory.
"""

from mosaicast.runtime.settings.blocks import (
    ApiSettings,
    ControlSettings,
    DatabaseSettings,
    DetectorSettings,
    EdgeSettings,
    GuardSettings,
    HlsSettings,
    MediaSettings,
    QdrantSettings,
    Reached,
    RecognitionSettings,
    VaultSettings,
    public_url,
)
from mosaicast.runtime.settings.kafka import KafkaSettings
from mosaicast.runtime.settings.loading import (
    WrongSettingsError,
    environment_for,
    foreign,
    load,
    load_or_exit,
    refuse_to_begin_anew,
)
from mosaicast.runtime.settings.services import (
    SERVICES,
    ApiServiceSettings,
    CompositorServiceSettings,
    DetectorServiceSettings,
    IngestServiceSettings,
    ModelSettings,
    RecognizerServiceSettings,
    Service,
    ServiceSettings,
    Settings,
    Variable,
    variables,
)

__all__ = [
    "SERVICES",
    "ApiServiceSettings",
    "ApiSettings",
    "CompositorServiceSettings",
    "ControlSettings",
    "DatabaseSettings",
    "DetectorServiceSettings",
    "DetectorSettings",
    "EdgeSettings",
    "GuardSettings",
    "HlsSettings",
    "IngestServiceSettings",
    "KafkaSettings",
    "MediaSettings",
    "ModelSettings",
    "QdrantSettings",
    "Reached",
    "RecognitionSettings",
    "RecognizerServiceSettings",
    "Service",
    "ServiceSettings",
    "Settings",
    "Variable",
    "VaultSettings",
    "WrongSettingsError",
    "environment_for",
    "foreign",
    "load",
    "load_or_exit",
    "public_url",
    "refuse_to_begin_anew",
    "variables",
]
