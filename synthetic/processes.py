"""CPU time of a process and everything below it, from /proc."""

import os
from collections.abc import Iterator
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def children_of(pid: int) -> list[int]:
    """Return the living children of a process."""
    return _all_children().get(pid, [])


def tree(root_pid: int) -> Iterator[int]:
    """Yield `root_pid` and all living descendants."""
    children = _all_children()
    waiting = [root_pid]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting.extend(children.get(pid, ()))


def _all_children() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    return children


def cpu_seconds(root_pid: int) -> float:
    """Return the CPU seconds (user and system) of a process tree, ended and reaped children included."""
    ticks = (int(number) for pid in tree(root_pid) if (fields := _stat(pid)) for number in fields[11:15])
    return sum(ticks) / _TICKS_PER_S


def cpu_by_name(root_pid: int) -> dict[str, float]:
    """Return CPU seconds of the living processes of a tree, by what they run.

    A process that names no module of ours is booked as a child of the one that started it.
    """
    children = _all_children()
    spent: dict[str, float] = {}
    waiting = [(root_pid, "")]
    while waiting:
        pid, parent = waiting.pop()
        name = _label(pid, parent)
        waiting.extend((child, name) for child in children.get(pid, ()))
        if fields := _stat(pid):
            spent[name] = spent.get(name, 0.0) + sum(int(ticks) for ticks in fields[11:13]) / _TICKS_PER_S
    return spent


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat from the third (state) on, or None if the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _label(pid: int, parent: str) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "gone"
    module = next((words[i + 1] for i, word in enumerate(words[:-1]) if word == "-m"), None)
    if module:
        return module
    program = Path(words[0] or "kernel").name
    if not program.startswith("python"):
        return program
    return parent if parent.endswith(" children") else f"{parent} children"
