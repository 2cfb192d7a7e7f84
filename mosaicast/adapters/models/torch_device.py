"""Choosing the device of the models that run in torch, which only the extra `gpu` installs."""

from typing import Literal

from mosaicast.adapters.models.errors import ModelUnavailableError

Device = Literal["auto", "cpu", "cuda"]


def extra_missing(model: str) -> ModelUnavailableError:
    """Return the error that says how to get what `model` needs."""
    return ModelUnavailableError(
        f"{model} in torch needs the extra 'gpu': run scripts/setup --gpu, or pip install 'mosaicast[gpu]'"
    )


def pick_device(wanted: Device, model: str) -> Literal["cpu", "cuda"]:
    """Return where to run `model`, `cpu` or `cuda`; `auto` is CUDA where there is one.

    Raises:
        ModelUnavailableError: torch is not installed, or CUDA is asked for and there is none.
    """
    try:
        import torch
    except ImportError as exc:
        raise extra_missing(model) from exc
    there = bool(torch.cuda.is_available())
    if wanted == "cuda" and not there:
        raise ModelUnavailableError("the settings ask for CUDA, and this machine shows none")
    return "cuda" if there and wanted != "cpu" else "cpu"
