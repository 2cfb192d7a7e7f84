"""The gallery's local mode with 10,000 people of 1,000 owners: start, search, enrollment, erasure, memory.

usage: python -m bench.gallery_scale [--people 10000] [--owners 1000] [--largest 1000] [--out FILE]
One owner has `largest` people, the others share the rest. Vectors are random, of the two packaged networks'
dimensions, two a person, scored as the recognizer scores. What is read is in the page cache: it was written a moment
ago.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mosaicast.adapters.embedders.cohort import COHORT_FILE, cohort_scorer
from mosaicast.adapters.gallery.folder import owner_folder
from mosaicast.adapters.gallery.local import LocalStore, Point
from mosaicast.adapters.gallery.qdrant import GalleryConfig, QdrantGallery
from mosaicast.adapters.gallery.seal import Seal
from mosaicast.core.types import OwnerId

KEY = bytes(range(32))
TEMPLATES = 2
LARGEST, TEN = OwnerId("owner-0"), OwnerId("owner-1")
_POOL = 4096
"""Random vectors that are drawn; people share them, which costs the gallery as much as others would."""
Vectors = NDArray[np.float32]
Timings = dict[str, float]


@dataclass(frozen=True)
class Population:
    """How many people each owner has."""

    people: int
    owners: int
    largest: int

    def owned(self) -> Iterator[tuple[OwnerId, int]]:
        """Yield each owner and the number of its people; the second has ten."""
        rest = self.people - self.largest
        share, more = divmod(rest, self.owners - 1)
        yield LARGEST, self.largest
        for number in range(1, self.owners):
            yield OwnerId(f"owner-{number}"), share + (number <= more)


def configs(folder: Path) -> list[GalleryConfig]:
    """Return the galleries of the two packaged networks, with the cohorts that they are held against."""
    made = []
    with np.load(COHORT_FILE, allow_pickle=False) as stored:
        for name in sorted(stored.files):
            model, _, model_version = name.partition("|")
            scorer = cohort_scorer(model, model_version)
            dimension = int(stored[name].shape[1])
            made.append(GalleryConfig(model, model_version, dimension, folder / "gallery", scorer=scorer, key=KEY))
    return made


def drawn(dimension: int, count: int = _POOL) -> Vectors:
    """Return random vectors of length 1."""
    vectors = np.random.default_rng(dimension).normal(size=(count, dimension)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def fill(config: GalleryConfig, population: Population) -> None:
    """Enroll everybody, an owner at once: one by one it would take minutes and end with the same files."""
    pool, seal = drawn(config.dimension), Seal(KEY, config.collection, config.dimension)
    for owner, count in population.owned():
        QdrantGallery(config).upsert_templates(owner, f"{owner}-0", pool[:TEMPLATES])
        points = []
        for number in range(1, count):
            at, point = (number * TEMPLATES) % (_POOL - TEMPLATES), str(uuid.uuid4())
            payload = seal.close(owner, f"{owner}-{number}", point, pool[at : at + TEMPLATES])
            points.append(Point(point, payload))
        LocalStore(owner_folder(config.path, owner) / config.collection, config.patience_s).add(points)


def timed(call: Callable[[], object]) -> float:
    """Return how many milliseconds a call takes."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def summary(took_ms: Sequence[float]) -> Timings:
    """Return median, p99 and the longest."""
    cut = statistics.quantiles(took_ms, n=100, method="inclusive")
    return {"median_ms": round(cut[49], 2), "p99_ms": round(cut[98], 2), "max_ms": round(max(took_ms), 2)}


def searches(galleries: Sequence[QdrantGallery], looks: Sequence[Vectors], owner: OwnerId, count: int) -> Timings:
    """Search as the recognizer does: four faces with the first network, one with the second."""
    first, second = galleries
    took = []
    for number in range(count):
        at = (number * 4) % (_POOL - 4)
        took.append(timed(lambda at=at: first.search(owner, looks[0][at : at + 4])))  # type: ignore[misc]
        took.append(timed(lambda at=at: second.search(owner, looks[1][at : at + 1])))  # type: ignore[misc]
    return summary(took)


def memory_mb() -> float:
    """Return what this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 1e6, 1)


def read(folder: Path, population: Population) -> dict[str, object]:
    """Measure as a recognizer that has just started, in a process of its own."""
    galleries = [QdrantGallery(config) for config in configs(folder)]
    looks = [drawn(config.dimension) for config in configs(folder)]

    def refresh(owner: OwnerId) -> float:
        return timed(lambda: [gallery.refresh(owner) for gallery in galleries])

    def check() -> float:
        return timed(lambda: [gallery.check() for gallery in galleries])

    before = memory_mb()
    starts = {"first_owner_of_10_ms": refresh(TEN), "owner_of_1000_ms": refresh(LARGEST)}
    one = {
        "owner_of_10": searches(galleries, looks, TEN, 1000),
        "owner_of_1000": searches(galleries, looks, LARGEST, 1000),
    }
    two = summary([check() for _ in range(200)])
    everybody_ms = sum(refresh(owner) for owner, _ in population.owned())
    return {
        "start": {name: round(took, 1) for name, took in starts.items()}
        | {"all_owners_s": round(everybody_ms / 1000, 2)},
        "search": one | {"owner_of_10_with_all_in_memory": searches(galleries, looks, TEN, 1000)},
        "check": {"two_owners": two, "all_owners": summary([check() for _ in range(50)])},
        "memory": {"before_mb": before, "with_all_owners_mb": memory_mb()},
        "people": sum(len(gallery.refresh(owner)) for owner, _ in population.owned() for gallery in galleries[:1]),
    }


def write(folder: Path, count: int) -> dict[str, object]:
    """Measure enrolling and erasing one person in both networks, and reading that anew."""
    galleries = [QdrantGallery(config) for config in configs(folder)]
    readers = [QdrantGallery(config) for config in configs(folder)]
    looks = [drawn(config.dimension) for config in configs(folder)]
    took: dict[str, list[float]] = {}

    def note(name: str, call: Callable[[], object]) -> None:
        took.setdefault(name, []).append(timed(call))

    for owner, size in ((TEN, "10"), (LARGEST, "1000")):
        for reader in readers:
            reader.refresh(owner)
        for number in range(count):
            person, faces = f"new-{number}", [vectors[number : number + TEMPLATES] for vectors in looks]

            def enroll(owner: OwnerId = owner, person: str = person, faces: Sequence[Vectors] = faces) -> None:
                for gallery, vectors in zip(galleries, faces, strict=True):
                    gallery.delete_person(owner, person)
                    gallery.upsert_templates(owner, person, vectors)

            def reread(owner: OwnerId = owner) -> None:
                for reader in readers:
                    assert reader.check()
                    reader.refresh(owner)

            note(f"enrol_into_{size}", enroll)
            note(f"reread_{size}", reread)
            note(f"erase_from_{size}", lambda owner=owner, person=person: galleries[0].erase_person(owner, person))  # type: ignore[misc]
            reread()
    return {name: summary(values) for name, values in took.items()}


def measured(population: Population, folder: Path) -> dict[str, object]:
    """Fill a gallery and measure it."""
    started = time.perf_counter()
    for config in configs(folder):
        fill(config, population)
    filled_s = time.perf_counter() - started
    command = [sys.executable, "-m", "bench.gallery_scale", "--read", str(folder)]
    command += [f"--{name}={value}" for name, value in vars(population).items()]
    single = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # as `mosaicast up` starts a recognizer
    reading = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=single).stdout)
    files = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return {
        **vars(population), "templates": TEMPLATES, "dimensions": [config.dimension for config in configs(folder)],
        **reading, "write": write(folder, 20), "folder_mb": round(sum(files) / 1e6, 1), "files": len(files),
        "filling_s": round(filled_s, 1),
        "cores": os.cpu_count(), "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(), "sqlite": sqlite3.sqlite_version,
    }  # fmt: skip


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--owners", type=int, default=1_000)
    parser.add_argument("--largest", type=int, default=1_000)
    parser.add_argument("--out", type=Path, default=Path("bench/results/gallery_scale.json"))
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    population = Population(options.people, options.owners, options.largest)
    if options.read:
        print(json.dumps(read(options.read, population)))
        return
    folder = Path(tempfile.mkdtemp())
    try:
        found = measured(population, folder)
    finally:
        shutil.rmtree(folder)
    options.out.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
