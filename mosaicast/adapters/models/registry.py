"""The list of models, read from `registry.toml` beside this module into types that refuse what does not fit."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from mosaicast.adapters.models.errors import ModelBrokenError, ModelUnavailableError

FILE = Path(__file__).with_name("registry.toml")

Name = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
FileName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
"""A name without a path: nothing is written outside the models' folder."""
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Size = Annotated[int, Meta(gt=0)]
Side = Annotated[int, Meta(gt=0, le=4096)]

Role = Literal["detector", "embedder"]
Format = Literal["onnx", "openvino", "frozen_graph", "safetensors", "dlib", "torch_weights_only"]
"""How weights lie in the file. None of these runs code when it is read; there is no format `pickle`, on purpose."""
Alignment = Literal["none", "dlib_5", "box_1.1", "arcface_5"]
"""What an embedder is shown: dlib's chip, the detector's square box grown by 1.1, ArcFace's 112 px chip."""


class PackagedFile(Struct, frozen=True, forbid_unknown_fields=True):
    """One file inside an installed package."""

    path: str
    size: Size
    sha256: Sha256


class Package(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="package"):
    """The weights came with a Python package."""

    package: str
    files: Annotated[tuple[PackagedFile, ...], Meta(min_length=1)]


class Download(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="download"):
    """`mosaicast models pull` gets the weights."""

    url: Annotated[str, Meta(pattern=r"^https://")]
    file: FileName
    size: Size
    sha256: Sha256


class Operator(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="operator"):
    """The operator puts the file into the models' folder; `FILE.sha256` beside it, if there, is held against it."""

    file: FileName
    hint: str


class Normalisation(Struct, frozen=True, forbid_unknown_fields=True):
    """The network is given (pixel - mean) / scale, channels in this order."""

    colours: Literal["rgb", "bgr"]
    mean: float
    scale: Annotated[float, Meta(gt=0.0)]


class Model(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One entry of the list."""

    name: Name
    role: Role
    licence: str
    format: Format
    source: Package | Download | Operator
    normalisation: Normalisation
    alignment: Alignment
    input_size: tuple[Side, Side] | None = None
    """Width and height in pixels; None: the detector chooses by the picture."""
    dimension: Side | None = None
    """Numbers in an embedder's vector; None: read from the file."""
    thresholds: dict[Literal["mask", "enrol", "far_1", "far_4", "authors"], float] = {}
    """Detectors: the lowest score of a face to mask, and to enrol. Embedders: cosines at a false-match rate in percent,
    or what the authors advise."""
    note: str = ""


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    models: tuple[Model, ...]


class Registry:
    """All models by name, in the file's order."""

    def __init__(self, models: tuple[Model, ...]) -> None:
        self._models = {model.name: model for model in models}
        if len(self._models) != len(models):
            raise ModelBrokenError("the list of models names one twice")

    def __iter__(self) -> Iterator[Model]:
        """Yield the models."""
        return iter(self._models.values())

    def get(self, name: str, role: Role | None = None) -> Model:
        """Return the model of that name.

        Args:
            role: what it must be fit for; None: anything.

        Raises:
            ModelUnavailableError: there is none; the text names those that are.
        """
        fit = {model.name: model for model in self._models.values() if role in {None, model.role}}
        if name in fit:
            return fit[name]
        if name in self._models:
            raise ModelUnavailableError(f"{name} is a {self._models[name].role}; as {role} there are {', '.join(fit)}")
        raise ModelUnavailableError(f"there is no model {name!r}; there are {', '.join(fit)}")


def load(file: Path = FILE) -> Registry:
    """Read the list.

    Raises:
        ModelBrokenError: it is not there, no TOML, or does not fit the types; the text says where.
    """
    try:
        models = msgspec.convert(tomllib.loads(file.read_text("utf-8")), _File).models
    except (OSError, ValueError) as exc:  # msgspec's and tomllib's errors are ValueErrors
        raise ModelBrokenError(f"the list of models, {file.name}, does not read: {exc}") from exc
    return Registry(models)
