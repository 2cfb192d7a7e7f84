"""All that the program knows of one network whose files are at hand: names, version, input, when two faces are one."""

from dataclasses import dataclass
from pathlib import Path

from mosaicast.adapters.models.files import require_finding
from mosaicast.adapters.models.placement import Precision
from mosaicast.adapters.models.registry import Alignment, Matching, Model, Normalisation, Role, load
from mosaicast.pipeline.ports import Quality

_DIGITS = 12
"""Of the file's SHA-256 in a version: enough to tell files apart that people meet."""


@dataclass(frozen=True, slots=True)
class NetworkProfile:
    """One network of the list, its files held against their checksums."""

    model: Model
    """Its entry."""
    paths: tuple[Path, ...]
    """Its files."""
    sha256: tuple[str, ...]
    """Of each of them, as it was read."""

    @property
    def name(self) -> str:
        """As people, settings and commands write it: `dlib-resnet`."""
        return self.model.name

    @property
    def label(self) -> str:
        """As messages, metrics and the gallery write it: `dlib_resnet`."""
        return self.model.label

    @property
    def version(self) -> str:
        """Of its vectors: 12 digits of the first file's SHA-256, and what it is shown: `55533b28a958.1`.

        The gallery keeps vectors under it: another version, and everybody must be enrolled anew.
        """
        return f"{self.sha256[0][:_DIGITS]}.{self.model.revision}"

    @property
    def path(self) -> Path:
        """The first file."""
        return self.paths[0]

    @property
    def alignment(self) -> Alignment:
        """What it is shown of a face."""
        return self.model.alignment

    @property
    def input_size(self) -> tuple[int, int] | None:
        """Width and height of what it is shown, in pixels; None: it takes any."""
        return self.model.input_size

    @property
    def normalisation(self) -> Normalisation:
        """What it is given for a pixel."""
        return self.model.normalisation

    @property
    def dimension(self) -> int | None:
        """Numbers in its vectors; None: the file says."""
        return self.model.dimension

    @property
    def precision(self) -> Precision:
        """What it computes in on a CPU."""
        return self.model.precision

    @property
    def matching(self) -> Matching:
        """When two of its vectors are of one person."""
        return self.model.matching

    @property
    def quality(self) -> Quality:
        """From what its looks count."""
        return self.model.quality


def profile_of(model: Model | str, folder: Path = Path(), role: Role | None = None) -> NetworkProfile:
    """Return the profile of a model of the list, after its files were held against their checksums.

    Args:
        model: its entry, or its name or label.
        folder: the models' folder, where downloads and operators' files lie.
        role: what it must be fit for; None: anything.

    Raises:
        ModelUnavailableError: there is no such model, or a file is not there; the text says what to do.
        ModelBrokenError: a file is another one than it should be. It must not be used.
    """
    entry = load().get(model, role) if isinstance(model, str) else model
    finding = require_finding(entry, folder)
    return NetworkProfile(entry, finding.paths, finding.sha256)
