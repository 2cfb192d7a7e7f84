"""CPU time of a process and everything below it."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psutil


def children_of(pid: int) -> list[int]:
    """Return the living children of a process."""
    return [child.pid for child in _children(pid)]


def tree(root_pid: int) -> Iterator[int]:
    """Yield `root_pid` and all living descendants."""
    yield root_pid
    yield from (process.pid for process in _children(root_pid, recursive=True))


def cpu_seconds(root_pid: int) -> float:
    """Return the CPU seconds (user and system) of a process tree, ended and reaped children included."""
    return sum(own + of_children for own, of_children in map(_seconds, tree(root_pid)))


def cpu_by_name(root_pid: int) -> dict[str, float]:
    """Return CPU seconds of the living processes of a tree, by what they run.

    A process that names no module of ours is booked as a child of the one that started it.
    """
    spent: dict[str, float] = {}
    waiting = [(root_pid, "")]
    while waiting:
        pid, parent = waiting.pop()
        name = _label(pid, parent)
        waiting.extend((child, name) for child in children_of(pid))
        spent[name] = spent.get(name, 0.0) + _seconds(pid)[0]
    return spent


def _children(pid: int, *, recursive: bool = False) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = psutil.Process(pid).children(recursive=recursive)
    except psutil.NoSuchProcess:
        return []
    return found


def _seconds(pid: int) -> tuple[float, float]:
    """Return CPU seconds of a process and of its reaped children; none of one that is gone."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0, 0.0
    return times.user + times.system, times.children_user + times.children_system


def _label(pid: int, parent: str) -> str:
    try:
        words: list[str] = psutil.Process(pid).cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return "gone"
    module = next((after for word, after in pairwise(words) if word == "-m"), None)
    if module:
        return module
    program = Path(words[0]).name if words else "kernel"
    if not program.startswith("python"):
        return program
    return parent if parent.endswith(" children") else f"{parent} children"
