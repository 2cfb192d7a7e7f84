"""Reading the settings of this process, and what another process may see of them."""

import os
import sys
from collections.abc import Mapping

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from mosaicast.runtime.settings.services import BLOCKS, Service, Settings

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
