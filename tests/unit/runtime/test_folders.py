"""Where things lie does not depend on the folder in which a command is started."""

from pathlib import Path
from typing import Literal

import pytest

from mosaicast.runtime import folders
from mosaicast.runtime.settings import ApiServiceSettings, DetectorServiceSettings, load, load_or_exit


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "MOSAICAST_DATA_DIR", "MOSAICAST_MODELS_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def test_the_systems_conventions_decide(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folders.data_dir() == home / ".local" / "share" / "mosaicast" / "data"
    assert folders.models_dir() == home / ".local" / "share" / "mosaicast" / "models"
    monkeypatch.setenv("XDG_DATA_HOME", "/srv/data")
    assert folders.data_dir() == Path("/srv/data/mosaicast/data")


def test_settings_lie_there_wherever_they_are_read(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load()
    assert (before.data_dir, before.models_dir) == (folders.data_dir(), folders.models_dir())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load() == before
    monkeypatch.setenv("MOSAICAST_DATA_DIR", "var/data")
    assert load().data_dir == Path("var/data"), "whoever says so has it so"
    assert not home.exists(), "asking makes nothing"


@pytest.mark.parametrize(("kind", "file"), [("data", "mosaicast.db"), ("models", "arcface.onnx")])
def test_what_an_earlier_version_kept_is_named_until_somebody_chooses(
    home: Path, tmp_path: Path, kind: Literal["data", "models"], file: str
) -> None:
    used = folders.data_dir() if kind == "data" else folders.models_dir()
    assert folders.left_behind(kind, used) is None
    earlier = tmp_path / "var" / kind
    earlier.mkdir(parents=True)
    assert folders.left_behind(kind, used) is None, "it is empty"
    (earlier / file).touch()
    told = folders.left_behind(kind, used)
    assert told is not None
    assert told.count("\n") == 0
    for word in (str(earlier), f"--{kind}-dir var/{kind}", f"MOSAICAST_{kind.upper()}_DIR", str(used)):
        assert word in told
    assert folders.left_behind(kind, earlier) is None, "it is in use"
    assert folders.left_behind(kind, tmp_path / "mine") is None, "somebody chose"
    used.mkdir(parents=True)
    (used / file).touch()
    assert folders.left_behind(kind, used) == told, "photos of people may lie there still"


def test_an_installation_of_before_is_never_begun_anew_unasked(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its streams would be deleted from the log, its prohibitions forgotten, and its photos be nobody's."""
    earlier = tmp_path / "var" / "data"
    earlier.mkdir(parents=True)
    (earlier / "mosaicast.db").touch()
    with pytest.raises(SystemExit) as refused:
        load_or_exit(ApiServiceSettings)
    assert "--data-dir var/data" in str(refused.value)
    assert load_or_exit(DetectorServiceSettings), "it keeps nothing"
    monkeypatch.setenv("MOSAICAST_DATA_DIR", str(folders.data_dir()))
    assert load_or_exit(ApiServiceSettings).data_dir == folders.data_dir(), "somebody chose"
    monkeypatch.delenv("MOSAICAST_DATA_DIR", raising=False)
    folders.data_dir().mkdir(parents=True)
    (folders.data_dir() / "mosaicast.db").touch()
    assert load_or_exit(ApiServiceSettings).data_dir == folders.data_dir()
    assert str(earlier) in capsys.readouterr().err, "it was begun anew, and is said all the same"
