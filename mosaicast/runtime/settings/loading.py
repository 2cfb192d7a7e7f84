"""Reading the settings of this process, and what another process may see of them."""

import os
import sys
from collections.abc import Mapping
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from mosaicast.runtime import folders
from mosaicast.runtime.settings.services import (
    PREFIX,
    SERVICES,
    DataSettings,
    Service,
    ServiceSettings,
    Settings,
    variables,
)

_WHERE = frozenset({"MOSAICAST_ENV_FILE", "MOSAICAST_SECRETS_DIR"})

S = TypeVar("S", bound=ServiceSettings)


class WrongSettingsError(Exception):
    """Settings are wrong: the operator's to mend. The text names them and what they should be, never their values."""


def environment_for(service: Service, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a service may see of an environment: what is not ours, and of ours the settings that it has."""
    ours = {variable.name for variable in variables(SERVICES[service])}
    # A block may be one JSON text too: MOSAICAST_KAFKA={"bootstrap": ...}.
    seen = ours | {name.partition("__")[0] for name in ours} | _WHERE
    return {
        name: text for name, text in environment.items() if not name.upper().startswith(PREFIX) or name.upper() in seen
    }


def foreign(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without anything of ours: for programs of others that we start."""
    return {name: text for name, text in environment.items() if not name.upper().startswith(PREFIX)}


def load(**overrides: object) -> Settings:
    """Read everything that an operator can set.

    Raises:
        WrongSettingsError: a value is wrong.
    """
    return _load(Settings, **overrides)


def load_or_exit(settings: type[S]) -> S:
    """Read the settings of a service's process; wrong ones end it with a sentence and exit status 1.

    Call it once, first: what is not the service's is not read, and everything of ours leaves the environment, so that
    no program or library that runs in or under this process finds a secret there.
    """
    try:
        loaded = _load(settings)
        if (told := refuse_to_begin_anew(loaded)) is not None:
            sys.stderr.write(f"mosaicast: {told}\n")
    except WrongSettingsError as exc:
        sys.exit(f"mosaicast: {exc}")
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        del os.environ[name]
    return loaded


def refuse_to_begin_anew(settings: ServiceSettings) -> str | None:
    """Return what is to be said of data of an earlier version that nobody chose or gave up.

    Raises:
        WrongSettingsError: and the folder that would be used is empty: streams, people and prohibitions would be gone.
    """
    if not isinstance(settings, DataSettings) or "data_dir" in settings.model_fields_set:
        return None
    told = folders.left_behind("data", settings.data_dir)
    if told is not None and folders.would_begin_anew(settings.data_dir):
        raise WrongSettingsError(f"{told}, but for that say so: --data-dir {settings.data_dir}, or MOSAICAST_DATA_DIR")
    return told


def _load(settings: type[S], **overrides: object) -> S:
    try:
        return settings(
            _env_file=os.environ.get("MOSAICAST_ENV_FILE"),  # type: ignore[call-arg]
            _secrets_dir=os.environ.get("MOSAICAST_SECRETS_DIR"),
            **overrides,  # type: ignore[arg-type]
        )
    except ValidationError as exc:
        # Without the cause: its text holds values, and secrets are among them.
        raise WrongSettingsError("; ".join(map(_explained, exc.errors(include_input=False)))) from None
    except SettingsError as exc:
        raise WrongSettingsError(str(exc)) from None


def _explained(error: ErrorDetails) -> str:
    name = "__".join(["MOSAICAST", *map(str, error["loc"])]).upper().replace("__", "_", 1)
    return f"{name}: {error['msg'].removeprefix('Value error, ')}"
