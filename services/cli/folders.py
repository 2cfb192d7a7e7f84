"""Which folder a command works on: its option, the settings, or the system's place for our data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.printing import complain

if TYPE_CHECKING:
    from mosaicast.runtime.settings import Settings

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Database, photos, gallery, logs, HLS. By default what MOSAICAST_DATA_DIR says, or the user's data folder "
        "(Linux: ~/.local/share/mosaicast/data).",
        show_default=False,
    ),
]
ModelsDir = Annotated[
    Path | None,
    typer.Option(
        "--models-dir",
        envvar="MOSAICAST_MODELS_DIR",
        help="Downloads and your own files. By default in the user's data folder (Linux: "
        "~/.local/share/mosaicast/models).",
        show_default=False,
    ),
]


def settings_for(data_dir: Path | None) -> "Settings":
    """Return the settings, with the chosen data folder; tell of data of an earlier version that is not used.

    Raises:
        WrongSettingsError: a setting is wrong, or nobody chose between that data and a new, empty folder.
    """
    from mosaicast.runtime.settings import load, refuse_to_begin_anew

    settings = load(**({} if data_dir is None else {"data_dir": data_dir}))
    _tell(refuse_to_begin_anew(settings))
    return settings


def chosen_models_dir(folder: Path | None) -> Path:
    """Return where models lie; tell of models of an earlier version that are not used."""
    from mosaicast.runtime.folders import left_behind, models_dir

    chosen = folder or models_dir()
    _tell(left_behind("models", chosen))
    return chosen


def _tell(sentence: str | None) -> None:
    if sentence is not None:
        complain(sentence)
