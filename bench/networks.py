"""The networks that the benches measure."""

from pathlib import Path

from mosaicast.adapters.embedders import Embedder, make_embedder
from mosaicast.adapters.embedders.arcface import from_file

PAIR = ("mobilefacenet-512", "mobilefacenet-192")
"""The packaged default: both are asked at every look."""
EARLIER_PAIR = ("dlib-resnet", "facenet-casia")
WITNESS = "edgeface"
"""A network for research only that decides nothing: it says whose a face is."""
_WITNESS_FILE = "weights/edgeface_xs_dequant_fp32.onnx"


def made(names: tuple[str, ...] = PAIR) -> dict[str, Embedder]:
    """Return packaged networks, by name; in f32, which gives the same on every machine."""
    return {name: make_embedder(name, models_dir=Path(), precision="f32") for name in names}


def witness(root: Path) -> dict[str, Embedder]:
    """Return the witness where its weights are in the data folder, else nothing."""
    path = root / _WITNESS_FILE
    return {WITNESS: from_file(path)} if path.is_file() else {}
