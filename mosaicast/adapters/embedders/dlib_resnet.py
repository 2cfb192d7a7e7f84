"""dlib's face recognition ResNet (128 numbers, public domain weights), run by OpenVINO: same vectors, no dlib."""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np
import openvino as ov

from mosaicast.adapters.embedders import dlib_graph, dlib_weights
from mosaicast.adapters.embedders.aligned import ChipEmbedder
from mosaicast.adapters.embedders.port import Face
from mosaicast.adapters.models.openvino_runtime import CompiledModel, Precision, read_model
from mosaicast.imaging.crops import Picture, align_by_landmarks

GRAPH_VERSION = 1
"""Raise it when `dlib_graph` or `TEMPLATE` changes: it is in `version`, and names the cached file."""

TEMPLATE = np.array([(47.5, 46.6), (100.5, 46.6), (74.0, 76.6), (50.4, 103.0), (97.6, 103.0)])
"""Where the five landmarks lie in a chip of dlib, 150 px, padding 0.25 (dlib's mean face shape).

Measured on 221 faces with CenterFace's landmarks: cosine to the vector of dlib's own 68-point chip is 0.9955 in the
median; dlib's own 5-point chip has 0.9975.
"""

_DIGEST_BYTES = 32


class DlibResnet(ChipEmbedder):
    """The embedder that the gallery's vectors are made with.

    Args:
        cache_dir: the graph is built there once, named by the weights' SHA-256 and the graph's version.
        precision: see `CompiledModel`. f32 on purpose: bf16 halves the 5 ms, but moves a vector by 0.0001 of cosine on
            faces and 0.0007 on noise (f32: 1e-7), and machines with and without it would disagree.
        weights: another file with weights for the same architecture; by default the packaged one.
        name: its name.

    Raises:
        ModelUnavailableError, ModelBrokenError: the package with the weights is missing or is another one.
    """

    def __init__(
        self, cache_dir: Path, precision: Precision = "f32", *, weights: Path | None = None, name: str = "dlib_resnet"
    ) -> None:
        self.name = name
        content = (weights or dlib_weights.packaged_file()).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        self.version = f"{digest[:12]}.{GRAPH_VERSION}"
        core = ov.Core()
        model = read_model(core, _cached(cache_dir, f"dlib_resnet.{self.version}.graph", content))
        # Fixed at one chip: on a CPU a batch gains nothing, and a moving shape is planned anew at each change.
        model.reshape([1, dlib_graph.SIDE, dlib_graph.SIDE, 3])
        super().__init__(CompiledModel(core, model, precision), align, lambda chip: chip[None], dlib_graph.DIMENSION)


def align(face: Face) -> Picture | None:
    """Return the chip that the network looks at, or None."""
    return align_by_landmarks(face.picture, face.landmarks, TEMPLATE, dlib_graph.SIDE)


def _cached(folder: Path, name: str, weights: bytes) -> bytes:
    """Return the graph from the cache, building it first if absent or damaged.

    A cache that cannot be written costs the time of building (0.6 s), not the start.
    """
    path = folder / name
    graph = _read_checked(path)
    if graph is None:
        graph = dlib_graph.build(dlib_weights.parse(weights))
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            _write_checked(path, graph)
    return graph


def _read_checked(path: Path) -> bytes | None:
    """Return what `_write_checked` wrote, None if it is not there or not whole."""
    try:
        held = path.read_bytes()
    except OSError:
        return None
    digest, content = held[:_DIGEST_BYTES], held[_DIGEST_BYTES:]
    return content if hashlib.sha256(content).digest() == digest else None


def _write_checked(path: Path, content: bytes) -> None:
    """Write digest and content. The file appears whole or not at all, so several processes may start at once."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(content).digest() + content)
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
