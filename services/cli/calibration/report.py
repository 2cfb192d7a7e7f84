"""Curves as PNG, and one HTML page that needs no other file."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

Scores = NDArray[np.float64]

MOST_POINTS = 2000
"""A curve of more is thinned: no screen shows them."""
SIZE_INCHES = (7.0, 5.0)
DOTS_PER_INCH = 110


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a figure."""

    name: str
    x: Scores
    y: Scores


@dataclass(frozen=True, slots=True)
class Figure:
    """What is drawn."""

    name: str
    """Of the file, without its ending."""
    title: str
    axes: tuple[str, str]
    """What x and y are."""
    curves: tuple[Curve, ...]
    marks: tuple[tuple[float, float], ...] = ()
    """Where the recommended thresholds lie."""
    least: tuple[float | None, float | None] = (None, None)
    """The least value of x and y: the axis is logarithmic, zeros are drawn there. None: the axis is linear, 0 to 1."""


def png(figure: Figure) -> bytes:
    """Draw a figure. Without a screen, and without matplotlib's state of the process."""
    canvas = Canvas(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(canvas)
    axes = canvas.add_subplot()
    for curve in figure.curves:
        x, y = thinned(_raised(curve.x, figure.least[0]), _raised(curve.y, figure.least[1]))
        axes.plot(x, y, label=curve.name, drawstyle="steps-post")
    for x_mark, y_mark in figure.marks:
        point = [max(x_mark, figure.least[0] or 0.0)], [max(y_mark, figure.least[1] or 0.0)]
        axes.plot(*point, marker="o", color="black", markersize=5, linestyle="none")
    for least, scale, limit in (
        (figure.least[0], axes.set_xscale, axes.set_xlim),
        (figure.least[1], axes.set_yscale, axes.set_ylim),
    ):
        if least is not None:
            scale("log")
        limit(least if least is not None else -0.02, 1.0 if least is not None else 1.02)
    if any(curve.x.max(initial=0.0) > 1.0 for curve in figure.curves):
        axes.set_xlim(right=max(float(curve.x.max()) for curve in figure.curves))
    axes.set(title=figure.title, xlabel=figure.axes[0], ylabel=figure.axes[1])
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend()
    drawn = io.BytesIO()
    canvas.savefig(drawn, format="png", metadata={"Software": None})
    return drawn.getvalue()


def _raised(values: Scores, least: float | None) -> Scores:
    return values if least is None else np.maximum(values, least)


def thinned(x: Scores, y: Scores) -> tuple[Scores, Scores]:
    """Return at most `MOST_POINTS` of a curve's points, evenly along what is drawn, the first and the last kept."""
    if len(x) <= MOST_POINTS:
        return x, y
    # Along the curve, not by count: on a logarithmic axis a few points at the left are half of the picture.
    along = np.cumsum(
        np.abs(np.diff(_drawn(x), prepend=_drawn(x)[0])) + np.abs(np.diff(_drawn(y), prepend=_drawn(y)[0]))
    )
    places = np.searchsorted(along, np.linspace(along[0], along[-1], MOST_POINTS - 1))
    kept = np.unique(np.append(places, [0, len(x) - 1]).clip(0, len(x) - 1))[:MOST_POINTS]
    return x[kept], y[kept]


def _drawn(values: Scores) -> Scores:
    """Return a coordinate that grows where either a linear or a logarithmic axis shows something."""
    positive = np.maximum(values, 1e-9)
    return values + np.log10(positive) / 9


def html(title: str, sentences: Sequence[str], figures: Mapping[str, Any], drawn: Mapping[str, bytes]) -> str:
    """Return a page with everything in it: no script, and nothing is loaded from anywhere.

    Args:
        figures: numbers, nested; shown as a table with a row for each.
        drawn: PNG files by their title.
    """
    told = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    table = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in _flat("", figures))
    pictures = "".join(
        f'<figure><img alt="{escape(name)}" src="data:image/png;base64,{base64.b64encode(data).decode()}"></figure>'
        for name, data in drawn.items()
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>"
        "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        "img{max-width:100%}th{text-align:left;font-weight:normal;padding-right:2rem}"
        "td{font-variant-numeric:tabular-nums}figure{margin:1rem 0}</style>"
        f"<h1>{escape(title)}</h1><ul>{told}</ul>{pictures}<h2>Figures</h2><table>{table}</table></html>\n"
    )


def _flat(prefix: str, value: Any) -> list[tuple[str, str]]:
    """Return nested figures as rows."""
    if isinstance(value, Mapping):
        return [row for key, one in value.items() for row in _flat(f"{prefix} {key}".strip().replace("_", " "), one)]
    if isinstance(value, list | tuple):
        return [row for one in value for row in _flat(prefix, one)]
    if isinstance(value, bool):
        return [(prefix, "yes" if value else "no")]
    return [(prefix, f"{value:.5g}" if isinstance(value, float) else str(value))]
