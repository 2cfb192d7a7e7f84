"""`mosaicast models`: which models there are, getting their weights, and whether what is here is right."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.folders import ModelsDir, chosen_models_dir
from services.cli.printing import AsJson, complain, err, out, print_json, print_table

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from mosaicast.adapters.models import Model
    from mosaicast.runtime.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Models: list, download, check.")


@app.command("list")
def list_(models_dir: ModelsDir = None, as_json: AsJson = False) -> None:
    """List every model, where it comes from, and whether it is here."""
    import msgspec

    from mosaicast.adapters.models import inspect

    folder = chosen_models_dir(models_dir)
    states = [(model, inspect(model, folder).state) for model in _models([])]
    if as_json:
        print_json([{**msgspec.to_builtins(model), "state": state} for model, state in states])
        return
    rows = [[model.name, model.role, model.licence, _origin(model), state] for model, state in states]
    print_table("model", "role", "licence", "from", "state", rows=rows)


@app.command("pull")
def pull_(
    names: Annotated[list[str], typer.Argument(help="Models to download.")],
    models_dir: ModelsDir = None,
    as_json: AsJson = False,
) -> None:
    """Download weights; goes on where an earlier download broke off."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from mosaicast.adapters.models.errors import ModelError
    from mosaicast.adapters.models.fetch import pull

    folder, pulled, failed = chosen_models_dir(models_dir), [], False
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=err) as bars:
        for model in _models(names):
            task = bars.add_task(model.name, total=None)
            try:
                path = pull(model, folder, _bar(bars, task))
                pulled.append({"name": model.name, "path": str(path)})
                if not as_json:
                    out.print(f"{model.name}: {path}", soft_wrap=True, markup=False)
            except ModelError as exc:
                bars.remove_task(task)
                failed = True
                complain(exc)
    if as_json:
        print_json(pulled)
    if failed:
        raise typer.Exit(1)


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="Models that must be here; by default all that are.")
    ] = None,
    models_dir: ModelsDir = None,
    as_json: AsJson = False,
) -> None:
    """Hold every file against its checksum; exit status 1 if one is wrong, or a named one is not here."""
    from mosaicast.adapters.models import inspect

    folder, findings, failed = chosen_models_dir(models_dir), [], False
    for model in _models(names or []):
        finding = inspect(model, folder)
        findings.append({"name": model.name, "state": finding.state, "detail": finding.detail})
        if finding.state == "wrong" or (names and finding.state == "absent"):
            failed = True
            complain(finding.detail)
        elif finding.state != "absent" and not as_json:
            out.print(finding.detail or f"{model.name}: ok", soft_wrap=True, markup=False)
    if as_json:
        print_json(findings)
    if failed:
        raise typer.Exit(1)


@app.command()
def bench(as_json: AsJson = False) -> None:
    """Say which library, device and precision each network of the settings gets on this machine, and its speed.

    On a GPU also how many pictures or faces a run should take, and how far what it says is from what a CPU says.
    Exit status 1 if one can't be had.
    """
    from mosaicast.runtime.settings import load as load_settings
    from services.cli.models_bench import measured  # loads the libraries of the models

    rows = [speed.row() for speed in measured(load_settings())]
    if as_json:
        print_json(rows)
    else:
        texts = [[str(value if value is not None else "") for value in row.values()] for row in rows]
        headings = ("runtime", "device", "precision", "ms a call", "batch", "ms each", "as a CPU's", "trouble")
        print_table("network", "role", *headings, rows=texts)
    if any(row["trouble"] for row in rows):
        raise typer.Exit(1)


def require_chosen(settings: "Settings") -> None:
    """Make sure that the networks and the detector which the settings name can be had, and the one that enrolls.

    Raises:
        ModelError: one can't; the text says what to do.
    """
    from mosaicast.adapters.detectors import require_detector
    from mosaicast.adapters.detectors.factory import ENROLLING
    from mosaicast.adapters.models import profile_of

    for name in settings.recognition.networks:
        profile_of(name, settings.models_dir, "embedder")
    for detector in dict.fromkeys((settings.detector.model, ENROLLING)):
        require_detector(detector, settings.detector.weights)


def _models(names: list[str]) -> "list[Model]":
    """Return the named models, or all; every name is looked up before anything is done."""
    from mosaicast.adapters.models import load
    from mosaicast.adapters.models.errors import ModelError

    try:
        registry = load()
        return [registry.get(name) for name in names] or list(registry)
    except ModelError as exc:
        complain(exc)
        raise typer.Exit(1) from exc


def _bar(bars: "Progress", task: "TaskID") -> Callable[[int, int], None]:
    return lambda done, whole: bars.update(task, completed=done, total=whole)


def _origin(model: "Model") -> str:
    from mosaicast.adapters.models.registry import Download, Npm, Operator

    source = model.source
    if isinstance(source, Operator):
        return f"your file {source.file}"
    if isinstance(source, Download):
        return f"download, {source.size / 1e6:.1f} MB"
    return f"npm package {source.package}" if isinstance(source, Npm) else f"package {source.package}"
