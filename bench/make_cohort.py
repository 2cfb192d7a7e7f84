"""Makes the cohort that the recognizer holds faces against: `MOSAICAST_DATA=... python -m bench.make_cohort`.

The faces of LFW and of the Korean public figures are embedded, and only the means of `MEANS` clusters are written: 16
vectors a network, each of many people, nobody's template. See docs/adr/0004-crowd.md. Networks that the file has
already, in their version, are left as they are, unless they are named.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bench.recognition_data import Eye, FaceSet, korean, lfw
from mosaicast.adapters.detectors.centerface import CenterFace
from mosaicast.adapters.embedders import Embedder, make_embedder
from mosaicast.adapters.embedders.cohort import COHORT_FILE
from mosaicast.adapters.models import load
from mosaicast.adapters.models.registry import Placed

Vectors = NDArray[np.float32]
MEANS = 16
LEAST_FACES = 12
"""A mean of fewer faces would come near to somebody's template; it is left out."""


def main() -> None:
    """Embed the faces and write the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=COHORT_FILE)
    parser.add_argument("--cache", type=Path, default=Path(".cache/recognition"))
    parser.add_argument("--networks", nargs="*", default=[], metavar="NAME", help="make these anew")
    arguments = parser.parse_args()
    root, held = Path(os.environ["MOSAICAST_DATA"]), stored(arguments.out)
    embedders = {name: one for name, one in packaged().items() if name in arguments.networks or key(one) not in held}
    eye = Eye(CenterFace(), embedders, arguments.cache)
    sets = [korean(root, eye, lambda: None), *lfw(root, eye, lambda: None)] if embedders else []
    for column, embedder in embedders.items():
        held[key(embedder)] = made = means(np.stack(list(pool(sets, column))))
        print(f"{key(embedder)}: {len(made)} means")
    np.savez_compressed(arguments.out, **cast(Any, held))


def packaged() -> dict[str, Embedder]:
    """Return the networks that the set-up brings, by name; in f32, which gives the same on every machine."""
    names = [model.name for model in load() if model.role == "embedder" and isinstance(model.source, Placed)]
    return {name: make_embedder(name, models_dir=Path(), precision="f32") for name in names}


def stored(file: Path) -> dict[str, Vectors]:
    """Return what the file has, by `key`."""
    if not file.exists():
        return {}
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def key(embedder: Embedder) -> str:
    """Return what a network's means are called in the file."""
    return f"{embedder.name}|{embedder.version}"


def pool(sets: Sequence[FaceSet], column: str) -> Iterator[Vectors]:
    """Yield the faces that make up the cohort."""
    for one in sets:
        yield from (face.probe[column] for face in one.cohort)
        yield from (face.probe[column] for person in one.people.values() for face in person.references)
        yield from (look.probe[column] for _, look, _ in one.bystanders)


def means(pool: Vectors, seed: int = 1) -> Vectors:
    """Return the means of spherical k-means, each of length 1 and of at least `LEAST_FACES` faces."""
    random = np.random.default_rng(seed)
    found = pool[random.choice(len(pool), MEANS, replace=False)]
    for _ in range(30):
        nearest = (pool @ found.T).argmax(axis=1)
        sums = [pool[nearest == place].sum(axis=0) for place in range(MEANS)]
        found = np.stack([each if each.any() else old for each, old in zip(sums, found, strict=True)])
        found /= np.linalg.norm(found, axis=1, keepdims=True)
    counts = np.bincount((pool @ found.T).argmax(axis=1), minlength=MEANS)
    return np.asarray(found[counts >= LEAST_FACES], np.float32)


if __name__ == "__main__":
    main()
