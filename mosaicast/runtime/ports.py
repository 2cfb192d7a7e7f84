"""Free and taken ports."""

import contextlib
import socket


class PortTakenError(Exception):
    """Another program listens on a port that we were told to use."""


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that is free at this moment."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def free_ports(count: int) -> tuple[int, ...]:
    """Return ports of 127.0.0.1 that are free at this moment, no two alike."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(contextlib.closing(socket.socket())) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return tuple(int(probe.getsockname()[1]) for probe in probes)


def require_free(host: str, port: int, option: str) -> int:
    """Return `port`, or a free one for 0.

    Raises:
        PortTakenError: another program has it; the text names the option that chooses another.
    """
    if port == 0:
        return free_port(host)
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            raise PortTakenError(f"port {port} on {host} is taken; choose another with {option}") from exc
    return port
