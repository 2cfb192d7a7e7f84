"""Streams that one GPU carries: `python -m bench.gpu` prints tables, and writes the same as JSON.

Without a GPU `--device cpu --quick` runs all of it on the CPU, to see that it works. It measures what the product runs:
its networks one by one, whether they say what a CPU says, and its detector service under a load of streams.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np

from bench.gpu_load import samples
from bench.timing import median_ms
from mosaicast.adapters.detectors.centerface import CenterFace
from mosaicast.adapters.detectors.centerface_torch import CenterFaceTorch
from mosaicast.adapters.embedders import Face
from mosaicast.adapters.embedders.aligned import ChipEmbedder
from mosaicast.adapters.embedders.arcface import ArcFace, from_file
from mosaicast.adapters.embedders.dlib_resnet import DlibResnet
from mosaicast.adapters.embedders.facenet import FacenetCasia
from mosaicast.adapters.models import profile_of
from mosaicast.adapters.models.agreement import farthest_side_px, least_cosine
from mosaicast.adapters.models.errors import ModelError
from mosaicast.adapters.models.placement import recommended_batch
from mosaicast.adapters.models.runtime import on_torch
from services.detector.analysis import threads

THRESHOLD = 0.2
LONGEST_P99_MS = 200.0
"""A verdict must be there 0.4 s before a frame leaves, and the recognizer and the message log want their share."""
LEAST_ANSWERED = 0.995


def main() -> None:
    """Measure everything and show it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--json", type=Path, default=Path("bench/out/gpu.json"))
    parser.add_argument("--parts", default="detector,embedders,streams")
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that it works")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each load")
    parser.add_argument("--instances", default="1,2,4", help="detector services that share the GPU")
    parser.add_argument("--streams", default="8,16,32,48,64,96,128,192,256,384", help="of all instances together")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--jpeg-threads", type=int, default=4)
    parser.add_argument("--arcface", type=Path, help="an ONNX file of the ArcFace family, to measure it too")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.instances, arguments.streams, arguments.seconds, arguments.workers = "1", "1,2", 3.0, 1
    arguments.times = 3 if arguments.quick else 15
    cv2.setNumThreads(1)
    sizes = (1, 2) if arguments.quick else (1, 2, 4, 8, 16, 32, 64)
    results: dict[str, Any] = {"machine": machine(arguments.device)}
    show(results["machine"])
    parts = {"detector": detector, "embedders": embedders, "streams": streams}
    for name in arguments.parts.split(","):
        results[name] = parts[name](arguments, sizes)
        # Written after each part: what follows may take longer than whoever lent the GPU allows.
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


def machine(device: str) -> dict[str, Any]:
    """Return what it runs on, without the machine's name."""
    import torch

    found = {"cores": os.cpu_count(), "processor": _processor(), "python": platform.python_version(),
             "torch": torch.__version__, "device": "cpu"}  # fmt: skip
    if device == "cuda":
        found |= {"device": torch.cuda.get_device_name(), "cuda": torch.version.cuda, "driver": _driver()}
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _driver() -> str:
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


# --- networks one by one --------------------------------------------------------------------------------------------


def detector(arguments: argparse.Namespace, sizes: Sequence[int]) -> dict[str, Any]:
    """Return how long CenterFace takes for batches of samples, and how far its boxes are from a CPU's."""
    pictures = samples()
    with threads(arguments.jpeg_threads) as over:
        network = CenterFaceTorch(device=arguments.device, over=over)
        times = {}
        for size in sizes:
            batch = [pictures[number % len(pictures)] for number in range(size)]
            canvases = np.zeros((size, 416, 736, 3), np.uint8)
            ms = median_ms(partial(network.detect, batch, THRESHOLD), arguments.times, warm=2)
            network_ms = median_ms(partial(network._model.run, canvases), arguments.times, warm=2)
            times[size] = {"detect_ms": ms, "network_ms": network_ms, "looks_per_s": round(1000 * size / ms, 1)}
        found = network.detect(pictures, THRESHOLD)
    wanted = CenterFace(precision="f32").detect(pictures, THRESHOLD)
    best = recommended_batch({size: one["detect_ms"] for size, one in times.items()})
    agreement = {
        "faces": [sum(map(len, found)), sum(map(len, wanted))],
        "farthest_side_px": round(max(map(farthest_side_px, found, wanted)), 4),
        "farthest_score": round(max(_scores_apart(*pair) for pair in zip(found, wanted, strict=True)), 6),
    }
    for size, one in times.items():
        show({"centerface, batch": size, **one})
    show({"recommended batch": best, "agreement with a CPU": agreement})
    return {"by_batch": times, "recommended_batch": best, "agreement": agreement}


def _scores_apart(found: Sequence[Any], wanted: Sequence[Any]) -> float:
    if len(found) != len(wanted):
        return 1.0
    return max((abs(one.score - other.score) for one, other in zip(found, wanted, strict=True)), default=0.0)


def embedders(arguments: argparse.Namespace, sizes: Sequence[int]) -> dict[str, Any]:
    """Return the faces a second of each embedder that is here, and how alike its vectors are to a CPU's."""
    results: dict[str, Any] = {}
    faces = _faces()
    for name, make in _makers(arguments.arcface).items():
        try:
            network = make(arguments.device)
        except ModelError as exc:
            results[name] = {"trouble": str(exc)}
            show({name: str(exc)})
            continue
        results[name] = _embedder(network, make(None), faces, sizes, arguments.times)
        show({name: results[name]["agreement"], "recommended batch": results[name]["recommended_batch"]})
        for size, one in results[name]["by_batch"].items():
            show({f"{name}, batch": size, **one})
    return results


def _makers(arcface: Path | None) -> dict[str, Callable[[str | None], ChipEmbedder]]:
    """Return what makes each embedder, on a device in torch, or where the argument is None in OpenVINO on the CPU."""

    def runtime(device: str | None) -> Any:
        return on_torch(device) if device else None  # type: ignore[arg-type]

    makers: dict[str, Callable[[str | None], ChipEmbedder]] = {
        "dlib-resnet": lambda device: DlibResnet(runtime=runtime(device)),
        "facenet-casia": lambda device: FacenetCasia(runtime=runtime(device)),
        "mobilefacenet-512": lambda device: ArcFace(profile_of("mobilefacenet-512"), "f32", runtime=runtime(device)),
        "mobilefacenet-192": lambda device: ArcFace(profile_of("mobilefacenet-192"), "f32", runtime=runtime(device)),
    }
    if arcface is not None:
        makers["arcface"] = lambda device: from_file(arcface, runtime=runtime(device))
    return makers


def _embedder(
    network: ChipEmbedder, reference: ChipEmbedder, faces: Sequence[Face], sizes: Sequence[int], times: int
) -> dict[str, Any]:
    found = {}
    for size in sizes:
        batch = [faces[number % len(faces)] for number in range(size)]
        ms = median_ms(partial(network.embed, batch), times, warm=2)
        found[size] = {"ms": ms, "faces_per_s": round(1000 * size / ms, 1)}
    cosine = least_cosine(network.embed(faces).vectors, reference.embed(faces).vectors)
    agreement = {"faces": len(faces), "least_cosine": round(cosine, 7)}
    best = recommended_batch({size: one["ms"] for size, one in found.items()})
    return {"by_batch": found, "recommended_batch": best, "in_batches": network.in_batches, "agreement": agreement}


def _faces() -> list[Face]:
    """Return the faces of the samples, as a CPU finds them, and some noise in their places."""
    found = [
        Face(picture, face.landmarks)
        for picture, raw in zip(samples(), CenterFace(precision="f32").detect(samples(), 0.5), strict=True)
        for face in raw
    ]
    noise = np.random.default_rng(3).integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    return found + [Face(noise, face.landmarks) for face in found[:6]]


# --- streams --------------------------------------------------------------------------------------------------------


def streams(arguments: argparse.Namespace, _: Sequence[int]) -> list[dict[str, Any]]:
    """Return what became of the looks, for every number of instances and of streams, until they are too many."""
    results = []
    wanted = [int(one) for one in arguments.instances.split(",")]
    with _children(arguments, max(wanted)) as children:
        for instances in wanted:
            for count in map(int, arguments.streams.split(",")):
                if count < instances:
                    continue
                row = _loaded(children[:instances], count, arguments.seconds)
                results.append(row)
                show(row)
                if not row["enough"]:
                    break
    return results


@contextmanager
def _children(arguments: argparse.Namespace, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    shape = ["--device", arguments.device, "--workers", str(arguments.workers), "--batch", str(arguments.batch),
             "--jpeg-threads", str(arguments.jpeg_threads)]  # fmt: skip
    command = [sys.executable, "-m", "bench.gpu_load", *shape, "--first"]
    children = [
        subprocess.Popen([*command, str(1000 * number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(count)
    ]
    try:
        yield children
    finally:
        for child in children:
            _pipe(child.stdin).close()
            child.wait(timeout=60)


def _loaded(children: Sequence[subprocess.Popen[str]], count: int, seconds: float) -> dict[str, Any]:
    """Give the children their share of the streams, all at once, and put their answers together."""
    shares = [len(range(number, count, len(children))) for number in range(len(children))]
    for child, share in zip(children, shares, strict=True):
        _say(child, f"{share} {seconds}")
    for child in children:
        _line_beginning_with(child, "ready")
    for child in children:
        _say(child, "go")
    answers = [json.loads(_line_beginning_with(child, "{")) for child in children]
    ms = np.array([one for answer in answers for one in answer["ms"]] or [1e6])
    total = {name: sum(answer[name] for answer in answers) for name in ("asked", "answered", "all_answered", "runs")}
    p50, p99 = (round(float(one), 1) for one in np.percentile(ms, [50, 99]))
    share = total["answered"] / max(1, total["asked"])
    return {
        "instances": len(children), "streams": count, "p50_ms": p50, "p99_ms": p99, "answered": round(share, 4),
        "frames_a_run": round(total["all_answered"] / max(1, total["runs"]), 2),
        "cores": round(sum(answer["cpu_s"] for answer in answers) / seconds, 2),
        "enough": share >= LEAST_ANSWERED and p99 <= LONGEST_P99_MS,
    }  # fmt: skip


def _say(child: subprocess.Popen[str], line: str) -> None:
    _pipe(child.stdin).write(line + "\n")
    _pipe(child.stdin).flush()


def _line_beginning_with(child: subprocess.Popen[str], word: str) -> str:
    """Return the next such line; libraries may print others.

    Raises:
        SystemExit: the child has ended.
    """
    for line in _pipe(child.stdout):
        if line.startswith(word):
            return line
    raise SystemExit(f"a detector ended with status {child.wait(timeout=60)}")


def _pipe(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise AssertionError("children are started with pipes")
    return stream


def show(values: dict[Any, Any]) -> None:
    """Print one line."""
    print("  ".join(f"{name} {value}" for name, value in values.items()), flush=True)


if __name__ == "__main__":
    main()
