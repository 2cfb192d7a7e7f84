"""Reads a source in a child process and tells in a few numbers what came: hostile files may crash FFmpeg."""

from collections import Counter
from multiprocessing.connection import Connection
from typing import Any

from mosaicast.adapters.media.opening import limit_libraries, open_source
from mosaicast.adapters.media.pictures import Picture, PictureError
from mosaicast.adapters.media.source import EpochStarted
from mosaicast.adapters.media.source_errors import SourceError


def probe(connection: "Connection[Any, Any]", path: str) -> None:
    """Send (counts, error code, error sentence) and end."""
    limit_libraries()
    counts: Counter[str] = Counter()
    code = text = ""
    try:
        with open_source(path, live=False) as source:
            for event in source.events():
                counts[type(event).__name__] += 1
                if isinstance(event, EpochStarted):
                    counts["width"] = event.video.width
                elif isinstance(event, Picture):
                    counts[_analysed(event)] += 1
    except SourceError as exc:
        code, text = exc.code, exc.text
    connection.send((dict(counts), code, text))


def _analysed(picture: Picture) -> str:
    try:
        ok = picture.thumbnail().shape == (36, 64) and picture.jpeg()[:2] == b"\xff\xd8"
    except PictureError:
        return "unconvertible"
    return "analysed" if ok else "wrong"
