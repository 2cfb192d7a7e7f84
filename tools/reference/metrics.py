"""The page of metrics: name, type, labels, help, which services count them."""

import ast
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

from prometheus_client.metrics import MetricWrapperBase

from mosaicast.runtime import children
from mosaicast.runtime.metrics import Activity, Metrics
from mosaicast.runtime.settings import SERVICES
from services import wiring
from tools.reference.markdown import MADE_BY, codes, services, table

_SERVICES = Path(wiring.__file__).parent
_HELPERS = (inspect.getsource(wiring), inspect.getsource(children), inspect.getsource(Metrics))
"""Where functions are that count for whoever calls them."""
_HEAD = f"""{MADE_BY}

# Metrics

Each service serves these as Prometheus' text at `/metrics` of `MOSAICAST_METRICS_HOST` and `MOSAICAST_METRICS_PORT`.
Counters end in `_total`, histograms have `_bucket`, `_sum` and `_count`. Series of labels come with their first event.
Values of labels have no spaces.

Besides: `mosaicast_build_info{{version}}`, and Prometheus' own `process_*`, from all.
"""


def page() -> str:
    """Return the text of the page."""
    counted = counted_by()
    rows = sorted(_row(metric, counted[name]) for name, metric in named(Metrics()).items())
    activities = f"Values of `activity`: {codes(get_args(Activity))}."
    return f"{_HEAD}\n{table(('metric', 'type', 'labels', 'counted by', 'what it is'), rows)}\n\n{activities}\n"


def named(metrics: Metrics) -> dict[str, MetricWrapperBase]:
    """Return every metric by the attribute that it is."""
    return {name: metric for name, metric in vars(metrics).items() if isinstance(metric, MetricWrapperBase)}


def _row(metric: MetricWrapperBase, counted: list[str]) -> tuple[str, ...]:
    kind = str(metric._type)
    name = f"`{metric._name}_total`" if kind == "counter" else f"`{metric._name}`"
    return name, kind, codes(metric._labelnames), services(counted), metric._documentation


def counted_by() -> dict[str, list[str]]:
    """Return the services that count each metric, by what their source names."""
    names = set(named(Metrics()))
    helpers = {
        function.name: _read_off(function, names, {"metrics", "self"})
        for source in _HELPERS
        for function in ast.walk(ast.parse(source))
        if isinstance(function, ast.FunctionDef) and not function.name.startswith("_")
    }
    used = {service: set(_used_by(_SERVICES / service, names, helpers)) for service in SERVICES}
    return {name: [service for service in SERVICES if name in used[service]] for name in names}


def _used_by(folder: Path, names: set[str], helpers: Mapping[str, set[str]]) -> Iterator[str]:
    for path in folder.rglob("*.py"):
        tree = ast.parse(path.read_text())
        yield from _read_off(tree, names, {"metrics", "_metrics"})
        for node in ast.walk(tree):
            yield from helpers.get(_word(node), ())


def _read_off(tree: ast.AST, names: set[str], holders: set[str]) -> set[str]:
    """Return the attributes with these names that are read off something that is called like a holder."""
    read = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in names]
    return {node.attr for node in read if _word(node.value) in holders}


def _word(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
