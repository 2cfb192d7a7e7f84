"""Other programs in place of services of a running product: what they need is a start of their own, not a product."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from mosaicast.runtime.probes import answers
from mosaicast.runtime.processes import ProcessSpec
from services.cli.stack import STOP_GRACE_S, Stack
from synthetic.session import wait_until

PROBE_S = 5.0
STARTED_S = 60.0
"""On any machine."""


@contextmanager
def instead(stack: Stack, commands: Mapping[str, Sequence[str]]) -> Iterator[None]:
    """Run these commands in place of the services of these names, and those again at the end."""
    own = {name: stack.process(name).spec for name in commands}
    _run(stack, {name: replace(spec, command=commands[name]) for name, spec in own.items()})
    try:
        yield
    finally:
        _run(stack, own)


def _run(stack: Stack, specs: Mapping[str, ProcessSpec]) -> None:
    before = {name: stack.process(name).pid for name in specs}
    for name, spec in specs.items():
        process = stack.process(name)
        process.spec = spec
        process.stop(STOP_GRACE_S)  # whoever watches over it starts it again, as it is said now
    wait_until(lambda: all(_is_new(stack, name, pid) for name, pid in before.items()), STARTED_S, "other programs")


def _is_new(stack: Stack, name: str, pid: int) -> bool:
    process = stack.process(name)
    return process.pid != pid and process.spec.ready_url is not None and answers(process.spec.ready_url, PROBE_S)
