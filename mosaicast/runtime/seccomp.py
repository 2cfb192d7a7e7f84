"""A seccomp filter: system calls that a process which only computes and talks over its pipe never needs, refused.

Everything else stays allowed: a list of what is allowed would break with the next libc. Refused calls get EPERM, so a
library that can do without goes on. See seccomp(2); numbers from the kernel's tables of x86-64 and arm64.
"""

import ctypes
import errno
import os
import platform
import socket
import struct
from dataclasses import dataclass

_PR_GET_SECCOMP, _PR_SET_SECCOMP, _MODE_FILTER = 21, 22, 2
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_AT_NUMBER, _AT_ARCHITECTURE, _AT_ARGUMENTS = 0, 4, 16
_X32 = 0x40000000
"""x86-64 has a second table of the same calls from here on."""
_FAST_OPEN = 0x20000000  # MSG_FASTOPEN: a connect by sending, which Landlock does not see

_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_REFUSED = {
    # programs, other processes
    "execve": (59, 221), "execveat": (322, 281), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "process_madvise": (440, 440), "kcmp": (312, 272), "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "tkill": (200, 130),
    # servers, and ways around the rules for sockets
    "bind": (49, 200), "listen": (50, 201), "accept": (43, 202), "accept4": (288, 242), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "sendmmsg": (307, 269),
    # the machine, and corners of the kernel that attacks like
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "open_by_handle_at": (304, 265), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "syslog": (103, 116), "acct": (163, 89),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "sethostname": (170, 161), "personality": (135, 92),
    "fchmod": (91, 52), "fchmodat": (268, 53), "fchown": (93, 55), "fchownat": (260, 54),
}  # fmt: skip
_REFUSED_X86 = {"chmod": 90, "chown": 92, "lchown": 94}
"""Calls that arm64 never had."""
_SOCKET, _KILL, _TGKILL, _SENDTO, _SENDMSG = (41, 198), (62, 129), (234, 131), (44, 206), (46, 211)
_PRLIMIT = (302, 261)

_Step = tuple[int, int, int, int]
"""One instruction: code, jump if true, jump if false, operand."""


@dataclass(frozen=True, slots=True)
class Network:
    """Which sockets may be made."""

    tcp: bool = False
    udp: bool = False
    """For a resolver of names."""


def available() -> bool:
    """Return whether this kernel filters system calls for us, on an architecture whose numbers we know."""
    try:
        asked = ctypes.CDLL(None, use_errno=True).prctl(_PR_GET_SECCOMP, 0, 0, 0, 0)
    except (OSError, AttributeError):
        return False
    return platform.machine() in _ARCHITECTURES and struct.calcsize("P") == 8 and asked >= 0


def restrict(network: Network) -> None:
    """Refuse those calls from now on, to this thread and all that it starts. Needs `no_new_privs`.

    Raises:
        OSError: the kernel refuses.
    """
    code = b"".join(struct.pack("=HBBI", *step) for step in program(platform.machine(), os.getpid(), network))
    held = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    filled = Program(len(code) // 8, ctypes.cast(held, ctypes.c_void_p))
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(filled), 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def program(machine: str, pid: int, network: Network) -> list[_Step]:
    """Return the filter for a process.

    Args:
        machine: as `platform.machine` calls it.
        pid: of the process, which may signal itself only.
        network: which sockets it may make.

    Raises:
        KeyError: the numbers of this machine's calls are unknown.
    """
    architecture, column = _ARCHITECTURES[machine]
    steps: list[_Step] = [(_LOAD, 0, 0, _AT_ARCHITECTURE), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _REFUSE)]
    steps += [(_LOAD, 0, 0, _AT_NUMBER), (_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _REFUSE)]
    refused = [numbers[column] for numbers in _REFUSED.values()] + list(_REFUSED_X86.values()) * (machine == "x86_64")
    for number in refused:
        steps += _on(number, [(_RETURN, 0, 0, _REFUSE)])
    for numbers, own in ((_KILL, [pid]), (_TGKILL, [pid]), (_PRLIMIT, [0, pid])):
        steps += _on(numbers[column], [*_argument(0, own), (_RETURN, 0, 0, _ALLOW)])
    for numbers, place in ((_SENDTO, 3), (_SENDMSG, 2)):
        steps += _on(numbers[column], _without_flag(place, _FAST_OPEN))
    return [*steps, *_on(_SOCKET[column], _sockets(network)), (_RETURN, 0, 0, _ALLOW)]


def _on(number: int, steps: list[_Step]) -> list[_Step]:
    """Return `steps`, which must end in an answer, for one system call; others go past them."""
    return [(_EQUAL, 0, len(steps), number), *steps]


def _argument(place: int, allowed: list[int], mask: int = 0xFFFFFFFF) -> list[_Step]:
    """Return steps that go on when the lower half of an argument is one of these, and refuse otherwise."""
    load: list[_Step] = [(_LOAD, 0, 0, _AT_ARGUMENTS + 8 * place), (_AND, 0, 0, mask)]
    checks: list[_Step] = [(_EQUAL, len(allowed) - at, 0, value) for at, value in enumerate(allowed)]
    return [*load, *checks, (_RETURN, 0, 0, _REFUSE)]


def _without_flag(place: int, flag: int) -> list[_Step]:
    load = (_LOAD, 0, 0, _AT_ARGUMENTS + 8 * place)
    return [load, (_ANY_BIT, 0, 1, flag), (_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW)]


def _sockets(network: Network) -> list[_Step]:
    kinds = [socket.SOCK_STREAM] * network.tcp + [socket.SOCK_DGRAM] * network.udp
    if not kinds:
        return [(_RETURN, 0, 0, _REFUSE)]
    protocols = [0] + [socket.IPPROTO_TCP] * network.tcp + [socket.IPPROTO_UDP] * network.udp
    return [
        *_argument(0, [socket.AF_INET, socket.AF_INET6]),
        *_argument(1, [int(kind) for kind in kinds], mask=0xF),  # above: SOCK_CLOEXEC, SOCK_NONBLOCK
        *_argument(2, protocols),
        (_RETURN, 0, 0, _ALLOW),
    ]
