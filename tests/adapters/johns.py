"""Five men of one name, whom a network that recognizes must tell apart."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mosaicast.adapters.embedders import Embedder, Face
from synthetic.pictures import known_picture

FacesIn = Callable[[list[Any]], Sequence[Face]]


def tells_them_apart(embedder: Embedder, faces_in: FacesIn) -> None:
    """Skip without the shared data; assert that any two photos of one are more alike than any two of two."""
    folder = Path(os.environ.get("MOSAICAST_DATA", "")) / "faces" / "dlib_johns"
    if "MOSAICAST_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("MOSAICAST_DATA names no folder with faces/dlib_johns")
    vectors, names = [], []
    for person in sorted(entry for entry in folder.iterdir() if entry.is_dir()):
        faces = faces_in([known_picture(photo) for photo in sorted(person.iterdir())[:4]])
        vectors.append(embedder.embed(faces).vectors)
        names += [person.name] * len(faces)
    all_ = np.concatenate(vectors)
    alike = np.array(names)[:, None] == np.array(names)
    scores, others = all_ @ all_.T, ~np.eye(len(names), dtype=bool)
    assert len(names) > 15
    assert scores[alike & others].min() > scores[~alike].max()
