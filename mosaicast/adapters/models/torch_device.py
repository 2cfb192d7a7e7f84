"""Choosing the device of the models that run in torch, which only the extra `gpu` installs."""

import importlib.util
from pathlib import Path
from typing import Literal

from mosaicast.adapters.models.errors import ModelUnavailableError

Device = Literal["auto", "cpu", "cuda"]

_DRIVERS = ("/dev/nvidiactl", "/proc/driver/nvidia", "/dev/dxg")
"""One of these is where a program can reach an NVIDIA GPU: Linux itself, and inside Windows."""


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


def cuda_there() -> bool:
    """Whether torch is installed and sees a GPU. Where no driver is, torch is not even imported: it takes seconds."""
    if importlib.util.find_spec("torch") is None or not any(Path(place).exists() for place in _DRIVERS):
        return False
    import torch

    return bool(torch.cuda.is_available())


def expected_device(wanted: Device) -> Literal["cpu", "cuda"]:
    """Return where a network will run, before it is loaded: one that can't be had there says so when it is."""
    return "cuda" if wanted == "cuda" or (wanted == "auto" and cuda_there()) else "cpu"


def choose_device(wanted: Device, model: str) -> Literal["cpu", "cuda"]:
    """Return where to run `model` if OpenVINO has the CPU and torch the GPU; `auto` is CUDA where there is one.

    Raises:
        ModelUnavailableError: CUDA is asked for, and torch is not installed or there is none.
    """
    if wanted == "auto":
        return "cuda" if cuda_there() else "cpu"
    return pick_device("cuda", model) if wanted == "cuda" else "cpu"
