"""What a family of processes costs."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from synthetic.processes import children_of, cpu_by_name, cpu_seconds, tree

# Burns a little itself, has a child that burnt and was reaped, and one that lives, which says so.
_FAMILY = """
import subprocess, sys
burn = "sum(i * i for i in range(2_000_000))"
exec(burn)
subprocess.run([sys.executable, "-c", burn], check=True)
child = subprocess.Popen([sys.executable, "-c", f"{burn}; print('there', flush=True); input()"], stdin=subprocess.PIPE)
sys.stdin.read()
child.communicate()
"""


@contextmanager
def family() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", _FAMILY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        yield process
        process.communicate("")


def test_a_tree_is_the_root_and_who_lives_below_it() -> None:
    with family() as process:
        (child,) = children_of(process.pid)
        assert list(tree(process.pid)) == [process.pid, child]
        assert children_of(child) == []


def test_the_cost_counts_those_that_were_reaped_the_list_by_name_those_that_live() -> None:
    with family() as process:
        (child,) = children_of(process.pid)
        own = psutil.Process(process.pid).cpu_times()
        living = psutil.Process(child).cpu_times()
        assert own.children_user > 0
        whole = own.user + own.system + own.children_user + own.children_system + living.user + living.system
        assert abs(cpu_seconds(process.pid) - whole) < 0.5
        named = cpu_by_name(process.pid)
        assert sum(named.values()) < cpu_seconds(process.pid)
        assert set(named) == {" children"}, "a python that names no module is booked as a child"


def test_who_is_gone_costs_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert (children_of(process.pid), cpu_seconds(process.pid)) == ([], 0.0)
    assert cpu_by_name(process.pid) == {"gone": 0.0}
