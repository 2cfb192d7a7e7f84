"""`mosaicast logs`: what the services of this machine wrote, in order of time."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.failures import CommandError
from services.cli.folders import DataDir, settings_for
from services.cli.printing import AsJson

_LOOK_EVERY_S = 0.3
_SHOWN_FIRST = ("timestamp", "service", "level", "event")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log."""

    at: str
    """RFC 3339 in UTC, so that texts are in order of time; of a line without, the time of the line before it."""
    members: dict[str, Any]


class Tail:
    """Reads one file as it grows. A last line without an end waits for it; a file that was begun anew is read anew."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset, self._rest, self._at = path, 0, b"", ""

    def lines(self) -> list[Line]:
        """Return what has come since the last time."""
        try:
            with self._path.open("rb") as file:
                if self._path.stat().st_size < self._offset:
                    self._offset, self._rest = 0, b""
                file.seek(self._offset)
                read = file.read()
        except FileNotFoundError:
            return []
        self._offset += len(read)
        *whole, self._rest = (self._rest + read).split(b"\n")
        return [self._line(text.decode("utf-8", "replace")) for text in whole if text.strip()]

    def _line(self, text: str) -> Line:
        try:
            members = json.loads(text)
        except ValueError:
            members = None
        if not isinstance(members, dict):
            members = {"event": text.strip()}  # the edge's, and what an interpreter says when it dies
        members.setdefault("service", self._path.stem)
        self._at = str(members.get("timestamp", self._at))
        return Line(self._at, members)


def logs(
    service: Annotated[
        str | None, typer.Argument(help="api, ingest, detector, recognizer, compositor or edge; by default all.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="So many of the last lines.")] = 50,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show the last lines of the services' logs on this machine, in order of time. With --json a line of JSON each."""
    folder = settings_for(data_dir).data_dir / "logs"
    if not folder.is_dir():
        raise CommandError(f"there are no logs in {folder}: did `mosaicast up` run with this data folder?")
    if service is not None and not (folder / f"{service}.log").is_file():
        there = ", ".join(sorted(path.stem for path in folder.glob("*.log"))) or "none"
        raise CommandError(f"there is no log of `{service}` in {folder}; there are: {there}")
    tails: dict[Path, Tail] = {}
    found = list(_news(folder, service, tails))
    _print(found[len(found) - lines :] if lines < len(found) else found, as_json)
    if follow:
        _follow(folder, service, tails, as_json)


def _follow(folder: Path, service: str | None, tails: dict[Path, Tail], as_json: bool) -> None:
    from mosaicast.runtime.lifecycle import StopEvent

    stop = StopEvent().install()
    while not stop.wait(_LOOK_EVERY_S):
        _print(list(_news(folder, service, tails)), as_json)


def _news(folder: Path, service: str | None, tails: dict[Path, Tail]) -> Iterator[Line]:
    """Yield what has come since the last time, in order of time."""
    for path in sorted(folder.glob("*.log" if service is None else f"{service}.log")):
        tails.setdefault(path, Tail(path))
    yield from sorted((line for tail in tails.values() for line in tail.lines()), key=lambda line: line.at)


def _print(lines: list[Line], as_json: bool) -> None:
    for line in lines:
        sys.stdout.write((json.dumps(line.members) if as_json else _text(line.members)) + "\n")
    sys.stdout.flush()


def _text(members: dict[str, Any]) -> str:
    at, service, level, event = (_harmless(str(members.get(name, ""))) for name in _SHOWN_FIRST)
    rest = " ".join(f"{name}={_value(value)}" for name, value in members.items() if name not in _SHOWN_FIRST)
    return f"{at[:19]:<19} {service:<10} {level:<7} {event}{'  ' if rest else ''}{rest}"


def _value(value: object) -> str:
    return _harmless(value) if isinstance(value, str) and " " not in value else json.dumps(value)


def _harmless(text: str) -> str:
    """Return a text that does nothing to a terminal: what strangers sent may stand in an error's words."""
    return text if text.isprintable() else json.dumps(text)
