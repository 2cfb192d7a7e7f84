"""Where a model's files lie, and whether they are the right ones.

No file is given to a runtime before its SHA-256 is what the list says. An operator's own file has none in the list; a
`FILE.sha256` beside it (what `sha256sum FILE` prints) makes it as strict.
"""

import hashlib
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mosaicast.adapters.models.errors import ModelBrokenError, ModelUnavailableError
from mosaicast.adapters.models.registry import Download, Model, Operator, Package

State = Literal["ok", "absent", "wrong", "unchecked"]
"""`wrong`: it is there and not what it should be. `unchecked`: an operator's file without a checksum."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one model."""

    state: State
    paths: tuple[Path, ...]
    detail: str
    """One sentence, if something is to be done."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    path: Path
    sha256: str | None
    hint: str
    """What to do where the file is not there."""


def inspect(model: Model, folder: Path) -> Finding:
    """Look for a model's files and read every byte of them.

    Args:
        folder: the models' folder, where downloads and operators' files lie.
    """
    try:
        wanted = _wanted(model, folder)
        findings = [_state(file) for file in wanted]
    except OSError as exc:
        return Finding("wrong", (), f"{model.name}: {exc.filename} cannot be read: {exc.strerror}")
    paths = tuple(file.path for file in wanted)
    for state in ("wrong", "absent", "unchecked"):
        for file, found in zip(wanted, findings, strict=True):
            if found == state:
                return Finding(found, paths, _sentence(model, file, found))
    return Finding("ok", paths, "") if wanted else Finding("absent", (), _not_installed(model))


def require(model: Model, folder: Path) -> tuple[Path, ...]:
    """Return the paths of a model's files, each with the checksum it should have.

    Raises:
        ModelUnavailableError: a file is not there; the text says how to get it.
        ModelBrokenError: a file is another one than it should be. It must not be used.
    """
    finding = inspect(model, folder)
    if finding.state == "absent":
        raise ModelUnavailableError(finding.detail)
    if finding.state == "wrong":
        raise ModelBrokenError(finding.detail)
    return finding.paths


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _wanted(model: Model, folder: Path) -> list[_Wanted]:
    """Return the files of a model; none if its package is not installed."""
    source = model.source
    if isinstance(source, Package):
        try:
            package = importlib.metadata.distribution(source.package)
        except importlib.metadata.PackageNotFoundError:
            return []
        hint = f"install the package {source.package} again"
        return [_Wanted(Path(str(package.locate_file(file.path))), file.sha256, hint) for file in source.files]
    path = folder / source.file
    if isinstance(source, Download):
        return [_Wanted(path, source.sha256, f"run `mosaicast models pull {model.name}`")]
    return [_Wanted(path, _noted_checksum(source, folder), source.hint)]


def _noted_checksum(source: Operator, folder: Path) -> str | None:
    """Return the checksum that the operator noted beside the file; one that does not read fits no file."""
    try:
        words = (folder / f"{source.file}.sha256").read_text("utf-8", errors="replace").split()
    except FileNotFoundError:
        return None
    return words[0].lower() if words else ""


def _state(file: _Wanted) -> State:
    if file.path.is_dir():
        return "unchecked" if file.sha256 is None else "wrong"  # an OpenVINO folder: no single checksum
    if not file.path.is_file():
        return "absent"
    if file.sha256 is None:
        return "unchecked"
    return "ok" if digest(file.path) == file.sha256 else "wrong"


def _sentence(model: Model, file: _Wanted, state: State) -> str:
    if state == "absent":
        return f"{model.name}: {file.path} is not there; {file.hint}"
    if state == "wrong":
        return f"{model.name}: {file.path} has the wrong checksum and is not used; delete it, then {file.hint}"
    return (
        f"{model.name}: {file.path} is used as it is; note its checksum in {file.path.name}.sha256 to have it checked"
    )


def _not_installed(model: Model) -> str:
    assert isinstance(model.source, Package)
    return f"{model.name}: the package {model.source.package} is not installed"
