"""How long `mosaicast up` takes until everything is ready, and how much CPU.

usage: python -m bench.start LABEL [--runs 5] [--kafka] [--tree CHECKOUT] [--out bench/results/start.json]
Each run starts twice: in an empty data folder, and again in the same one. LABEL says what was measured (`before`,
`after`); figures of other labels stay in the file. `--tree` runs the product of another checkout.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synthetic.processes import cpu_by_name, cpu_seconds

ROOT = Path(__file__).parents[1]
STOP_S = 30.0
_READY = b'"api_url"'
"""Stands in what `up --json` prints when all parts are ready."""


@dataclass(frozen=True, slots=True)
class Start:
    """One start."""

    wall_s: float
    """From the command to the line that says where everything is."""
    cpu_s: float
    """Of all processes until then, those that have ended included."""
    by_process: dict[str, float]
    """CPU seconds of those that live then."""
    stop_s: float
    """From Ctrl-C until all of it has ended."""


def start(data_dir: Path, tree: Path, options: Sequence[str]) -> Start:
    """Start the product in a folder, measure, and stop it.

    Raises:
        SystemExit: it did not come up.
    """
    ports = ["--rtmp-port", "0", "--http-port", "0", "--api-port", "0"]
    command = [sys.executable, "-m", "services.cli.main", "up", "--json", "--data-dir", str(data_dir), *ports, *options]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONUNBUFFERED": "1"}
    began_s = time.perf_counter()
    process = subprocess.Popen(command, cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        _await(process)
        wall_s, cpu_s = time.perf_counter() - began_s, cpu_seconds(process.pid)
        by_process = {name: round(spent, 2) for name, spent in sorted(cpu_by_name(process.pid).items())}
    finally:
        stop_s = _stop(process)
    return Start(wall_s, cpu_s, by_process, stop_s)


def _await(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if _READY in line:
            return
    raise SystemExit("it did not come up")


def _stop(process: subprocess.Popen[bytes]) -> float:
    began_s = time.perf_counter()
    process.send_signal(signal.SIGINT)
    process.wait(STOP_S)
    return time.perf_counter() - began_s


def summary(starts: Sequence[Start]) -> dict[str, object]:
    """Return the medians of some starts, and what each process took in the one in the middle."""
    middle = sorted(starts, key=lambda one: one.wall_s)[len(starts) // 2]
    return {
        "runs": len(starts),
        "wall_s": round(statistics.median(one.wall_s for one in starts), 2),
        "wall_s_worst": round(max(one.wall_s for one in starts), 2),
        "cpu_s": round(statistics.median(one.cpu_s for one in starts), 2),
        "stop_s": round(statistics.median(one.stop_s for one in starts), 2),
        "cpu_s_by_process": middle.by_process,
    }


def measured(runs: int, tree: Path, options: Sequence[str]) -> dict[str, object]:
    """Return the figures of first starts and of later ones."""
    first, again = [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            first.append(start(Path(folder) / "data", tree, options))
            again.append(start(Path(folder) / "data", tree, options))
    return {"empty_folder": summary(first), "again": summary(again)}


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("label", help="what is measured, a key in the file")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--kafka", action="store_true", help="with a real Apache Kafka")
    parser.add_argument("--tree", type=Path, default=ROOT, help="the checkout whose product is started")
    parser.add_argument("--out", type=Path, help="a file that keeps the figures")
    asked = parser.parse_args()
    broker = "kafka" if asked.kafka else "embedded"
    figures = measured(asked.runs, asked.tree.resolve(), ["--kafka"] if asked.kafka else [])
    print(json.dumps({broker: {asked.label: figures}}, indent=1))
    if asked.out is not None:
        kept = json.loads(asked.out.read_text()) if asked.out.exists() else {}
        kept.setdefault(broker, {})[asked.label] = figures
        asked.out.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
