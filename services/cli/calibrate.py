"""`mosaicast calibrate`: curves and thresholds from labelled pictures. It asks no server, and keeps no vector."""

import importlib.util
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.folders import chosen_models_dir
from services.cli.printing import err, print_json

if TYPE_CHECKING:
    from mosaicast.adapters.detectors import Detector
    from mosaicast.adapters.embedders import Embedder
    from services.cli.calibration.advice import Advice
    from services.cli.calibration.people import Reader

ARCFACE = "arcface:"
SHORT = {"dlib": "dlib-resnet", "facenet": "facenet-casia"}


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be calibrated, and how."""

    folder: Path
    pairs: Path | None
    detection: bool
    fmr: float
    smallest_px: float
    out: Path


def calibrate(  # noqa: PLR0913, PLR0917 - a parameter an option
    folder: Annotated[
        Path, typer.Argument(help="One sub-folder for each person; or pictures, with one of the options.")
    ],
    pairs: Annotated[
        Path | None, typer.Option(help="CSV of pairs in FOLDER instead: file_a, file_b, same (1 or 0).")
    ] = None,
    detection: Annotated[
        bool, typer.Option("--detection", help="Calibrate the detector by the boxes in FOLDER/annotations.json.")
    ] = False,
    model: Annotated[
        str,
        typer.Option(
            help="A network of `mosaicast models list`, two with a comma between, both (which are asked by default), "
            "or arcface:FILE.onnx."
        ),
    ] = "both",
    fmr: Annotated[float, typer.Option(help="False-match rate to stay below.")] = 0.001,
    smallest_face: Annotated[
        float, typer.Option(min=0, help="--detection: true faces below so many pixels count not.")
    ] = 20.0,
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("calibration"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Draw ROC, DET and precision-recall curves of labelled faces, and recommend thresholds for a false-match rate."""
    if not 0 < fmr < 1:
        raise typer.BadParameter("--fmr lies between 0 and 1")
    if pairs and detection:
        raise typer.BadParameter("--pairs is about people, --detection about boxes: choose one")
    _require_libraries()
    advice, written = _calibrated(Request(folder, pairs, detection, fmr, smallest_face, out), model)
    if as_json:
        print_json({**advice.figures, "report": str(written)})
    else:
        show(advice, written)


def _calibrated(request: Request, model: str) -> "tuple[Advice, Path]":
    """Return what is to be told and where it is written; end the command with a sentence where that fails."""
    # Half a second of imports that no other command needs.
    from mosaicast.adapters.models.errors import ModelError
    from services.cli.calibration.people import CalibrationError

    try:
        embedders = [] if request.detection else make_embedders(model)
        advice = run(request, embedders, _make_detector(), _make_reader())
        return advice, write(advice, request)
    except (CalibrationError, ModelError, OSError) as exc:
        err.print(f"mosaicast: {exc}", markup=False)
        raise typer.Exit(1) from exc


def _require_libraries() -> None:
    """End the command with a sentence where the part `calibrate` is not installed: before an hour of looking."""
    if all(importlib.util.find_spec(name) for name in ("matplotlib", "scipy", "sklearn")):
        return
    err.print(
        "mosaicast: calibrate needs libraries that are not installed: run scripts/setup --calibrate, "
        "or pip install 'mosaicast[calibrate]'", markup=False, soft_wrap=True,
    )  # fmt: skip
    raise typer.Exit(1)


def run(request: Request, embedders: "Sequence[Embedder]", detector: "Detector", reader: "Reader") -> "Advice":
    """Look at every picture and return what is to be told.

    Raises:
        CalibrationError: these pictures calibrate nothing.
        ModelError: a model failed.
    """
    from services.cli.calibration import advice, boxes, people

    if request.detection:
        found = boxes.from_annotations(request.folder, reader, detector, request.smallest_px, _progress)
        return advice.about_detection(found, request.fmr)
    photos = people.PhotoEmbedder(reader, detector, embedders)
    if request.pairs:
        return advice.about_people(people.from_pairs(request.pairs, request.folder, photos, _progress), request.fmr)
    return advice.about_people(people.from_folder(request.folder, photos, _progress), request.fmr)


def write(advice: "Advice", request: Request) -> Path:
    """Write PNG, JSON and the HTML report; return the report's path."""
    from services.cli.calibration import report

    request.out.mkdir(parents=True, exist_ok=True)
    drawn = {}
    for figure in advice.drawings:
        drawn[figure.title] = report.png(figure)
        (request.out / f"{figure.name}.png").write_bytes(drawn[figure.title])
    (request.out / "report.json").write_text(json.dumps(advice.figures, indent=2) + "\n", "utf-8")
    page = request.out / "report.html"
    title = "Calibration of detection" if request.detection else "Calibration of recognition"
    page.write_text(report.html(title, advice.sentences, advice.figures, drawn), "utf-8")
    return page


def show(advice: "Advice", written: Path) -> None:
    """Print the recommendations."""
    for sentence in advice.sentences:
        typer.echo(sentence)
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in advice.figures["pictures"].items())
    typer.echo(f"pictures: {counts}")
    typer.echo(f"report: {written}")


def make_embedders(model: str) -> "list[Embedder]":
    """Return the networks that `--model` names.

    Raises:
        ModelError: one cannot be had here.
    """
    from mosaicast.adapters.embedders import make_embedder
    from mosaicast.adapters.embedders.arcface import from_file
    from mosaicast.adapters.models import load
    from mosaicast.runtime.settings import RecognitionSettings

    if model.startswith(ARCFACE):
        return [from_file(Path(model.removeprefix(ARCFACE)), "check the path after `arcface:`")]
    names = RecognitionSettings().networks if model == "both" else [SHORT.get(one, one) for one in model.split(",")]
    known = [one.name for one in load() if one.role == "embedder"]
    if not set(names) <= set(known):
        choices = ", ".join([*known, *SHORT])
        raise typer.BadParameter(f"--model {model}: choose of {choices}, or both, or arcface:FILE.onnx")
    return [make_embedder(name, models_dir=chosen_models_dir(None)) for name in names]


def _make_detector() -> "Detector":
    from mosaicast.adapters.detectors import make_detector

    return make_detector("centerface")


def _make_reader() -> "Reader":
    from mosaicast.adapters.media.photos import PhotoDecoder
    from mosaicast.runtime.children import ForkServer
    from services.cli.calibration.photos import PhotoReader

    # A child imports the program's main module again: half a second for each picture, were it not there already.
    return PhotoReader(PhotoDecoder(ForkServer(preload=["mosaicast.adapters.media.photos", "services.cli.main"])))


def _progress(paths: Sequence[Path]) -> Iterable[Path]:
    from rich.progress import track

    return track(paths, "looking at pictures", console=err, disable=not err.is_terminal)
