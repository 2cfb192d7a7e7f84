"""Settings of every process: environment (MOSAICAST_KAFKA__BOOTSTRAP=...), an env file, secret files.

Order, first wins: arguments, environment, the file named by MOSAICAST_ENV_FILE, secret files in the folder named
by MOSAICAST_SECRETS_DIR (one file a setting, e.g. `mosaicast_edge__token`), the defaults below.

A service keeps the blocks that it needs (`BLOCKS`) and forgets the others, with the secrets in them.
"""

import os

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
from mosaicast.runtime.settings.loading import WrongSettingsError, environment_for, foreign, load, load_or_exit
from mosaicast.runtime.settings.services import BLOCKS, Service, Settings

__all__ = [
    "BLOCKS",
    "ApiSettings",
    "ControlSettings",
    "DatabaseSettings",
    "DetectorSettings",
    "EdgeSettings",
    "GuardSettings",
    "KafkaSettings",
    "MediaSettings",
    "QdrantSettings",
    "RecognitionSettings",
    "Service",
    "Settings",
    "VaultSettings",
    "WrongSettingsError",
    "environment_for",
    "foreign",
    "load",
    "load_or_exit",
]
