"""What a child that reads strangers' media keeps of the machine: its code, the files and the one port it is given.

Layers, each as far as the kernel has it: no capabilities, no new privileges, no way for others to look into its memory
(always); Landlock for files, TCP ports and signals; seccomp for sockets, programs and corners of the kernel. What the
kernel lacks is told once at start (`Support.missing`), and the rest holds.
"""

import ctypes
import ipaddress
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mosaicast.runtime import landlock, seccomp
from mosaicast.runtime.dumps import forbid_dumps

_PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h
_CAPABILITIES_VERSION = 0x20080522  # linux/capability.h, version 3: two words a set
_PORTS = {"rtmp": 1935, "rtmps": 443}

_SYSTEM = (
    # Libraries; what a resolver and TLS read; what libraries ask of the machine. Of /proc, memory and environment of
    # other processes stay closed: Landlock forbids to trace them, and the kernel asks that.
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/etc/localtime",
    "/usr/share/zoneinfo", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/gai.conf",
    "/etc/services", "/etc/ssl/certs", "/etc/ca-certificates", "/usr/share/ca-certificates", "/proc",
    "/sys/devices/system", "/sys/fs/cgroup", "/dev/null", "/dev/zero", "/dev/urandom",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Access:
    """What a child may reach besides its own code and the system's libraries; by default nothing."""

    read: tuple[Path, ...] = ()
    """Files and folders."""
    write: tuple[Path, ...] = ()
    """Folders, which must exist: files below them may be made, written, renamed and removed."""
    ports: tuple[int, ...] = ()
    """TCP ports that it may connect to. The kernel's rule knows ports, not addresses."""
    resolves: bool = False
    """It may make UDP sockets, to ask a resolver for names."""

    @classmethod
    def to_server(cls, url: str, *, write: tuple[Path, ...] = ()) -> "Access":
        """Return what it takes to speak to the server of an address such as rtmp://edge:1935/live/x."""
        parts = urlsplit(url)
        return cls(
            write=write, ports=(parts.port or _PORTS[parts.scheme],), resolves=not _is_address(parts.hostname or "")
        )


@dataclass(frozen=True, slots=True)
class Support:
    """Which layers the kernel has."""

    landlock_abi: int
    """Version of Landlock, 0: none."""
    seccomp: bool

    @property
    def missing(self) -> tuple[str, ...]:
        """What children are not held back from, in words for the operator."""
        lacks = []
        if self.landlock_abi == 0:
            lacks.append("no Landlock: children may read files of this user")
        if 0 < self.landlock_abi < landlock.NETWORK_ABI:
            lacks.append("Landlock without network rules: children that need the edge may connect to any port")
        if self.landlock_abi == 0 and self.seccomp:
            lacks.append("children that need the edge may connect to any port")
        if not self.seccomp:
            lacks.append("no seccomp: children that need no network may use it")
        return tuple(lacks)


def support() -> Support:
    """Return which layers this kernel has."""
    return Support(landlock.kernel_abi(), seccomp.available())


def enter(access: Access, layers: Support) -> None:
    """Give up everything but `access`, for good. Call it before the first thread: older ones would keep everything.

    Args:
        access: what stays.
        layers: which layers to use; the kernel must have them.

    Raises:
        OSError: the kernel refuses a layer that it has: nothing is known then, and the child must end.
    """
    forbid_dumps()
    libc = ctypes.CDLL(None, use_errno=True)
    _drop_capabilities(libc)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    if layers.landlock_abi:
        read = [*map(Path, _SYSTEM), *_code(), *access.read]
        landlock.restrict(layers.landlock_abi, read=read, write=access.write, ports=access.ports)
    if layers.seccomp:
        seccomp.restrict(seccomp.Network(tcp=bool(access.ports), udp=access.resolves))


def _code() -> Iterator[Path]:
    """Yield where Python and the packages that this process has imported lie.

    Not whole entries of `sys.path`: a checkout has the data folder, with its keys, beside the packages.
    """
    yield Path(sys.base_prefix) / "lib"
    yield from map(Path, sysconfig.get_paths(expand=True).values())
    yield from (Path(entry) for entry in sys.path if entry.endswith("-packages"))
    for name, module in list(sys.modules.items()):
        if "." not in name:
            yield from map(Path, getattr(module, "__path__", ()))


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Give up root's privileges, where there are any: with them a process raises its own limits."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
    if libc.capset(header, (ctypes.c_uint32 * 6)()):
        raise OSError(ctypes.get_errno(), "capset")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
