"""Landlock by its system calls: a process gives up files and TCP ports for good (Linux 5.13 and later).

Written out here because the bindings on PyPI are years of releases behind the kernel's rules for the network, or new
and unproven (docs/adr/0012). Structures and numbers are those of linux/landlock.h; see landlock(7).
"""

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""The same on every architecture."""
_VERSION_FLAG = 1
_RULE_PATH, _RULE_PORT = 1, 2
_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_REGULAR, _REFER, _TRUNCATE = 1 << 7, 1 << 8, 1 << 13, 1 << 14
_CONNECT_TCP = 1 << 1
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights of files a version knows; each is a bit, from the lowest on."""
_NET_RIGHTS = 0b11  # bind and connect
_SCOPES = 0b11  # abstract Unix sockets and signals
NETWORK_ABI, SCOPE_ABI = 4, 6
"""The first versions that know TCP ports, and that keep signals inside."""
_NEWEST_ABI = SCOPE_ABI

_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _TRUNCATE | _MAKE_REGULAR | _REMOVE_FILE | _MAKE_DIR | _REMOVE_DIR | _REFER
_OF_A_FILE = _READ_FILE | _WRITE_FILE | _TRUNCATE
"""Rights that a rule for a file, not a folder, may name."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _PortRule(ctypes.Structure):
    _fields_ = (("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64))


def kernel_abi() -> int:
    """Return the version of Landlock that this kernel has, 0 where it has none or does not let us use it."""
    try:
        return max(0, _syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG)))
    except (OSError, AttributeError):
        return 0


def restrict(abi: int, *, read: Iterable[Path], write: Iterable[Path], ports: Iterable[int]) -> None:
    """Give up everything but this, for the calling thread and all that it starts. Needs `no_new_privs`.

    Args:
        abi: use no more than this version, which the kernel must have; at least 1.
        read: files and folders that may be read, with all below them; what does not exist is left out.
        write: folders below which files may be made, written, renamed and removed too.
        ports: TCP ports, of any host, that may be connected to (from version 4 on; before, the network stays as it is).

    Raises:
        OSError: the kernel refuses.
    """
    known = min(abi, _NEWEST_ABI)
    files = (1 << _FILE_RIGHTS.get(known, _FILE_RIGHTS[5])) - 1
    ruleset = _create(known, files)
    try:
        for paths, rights in ((read, _READ), (write, _WRITE)):
            for path in paths:
                _allow_path(ruleset, path, rights & files)
        if known >= NETWORK_ABI:
            for port in ports:
                _add(ruleset, _RULE_PORT, _PortRule(_CONNECT_TCP, port))
        _syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def _create(abi: int, files: int) -> int:
    wanted = _Ruleset(files, _NET_RIGHTS if abi >= NETWORK_ABI else 0, _SCOPES if abi >= SCOPE_ABI else 0)
    size = 24 if abi >= SCOPE_ABI else 16 if abi >= NETWORK_ABI else 8
    return _syscall(_CREATE_RULESET, ctypes.byref(wanted), ctypes.c_size_t(size), ctypes.c_uint32(0))


def _allow_path(ruleset: int, path: Path, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what does not exist, or is closed to us, needs no permission
    try:
        _add(ruleset, _RULE_PATH, _PathRule(rights if path.is_dir() else rights & _OF_A_FILE, opened))
    finally:
        os.close(opened)


def _add(ruleset: int, kind: int, rule: ctypes.Structure) -> None:
    _syscall(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(kind), ctypes.byref(rule), ctypes.c_uint32(0))


def _syscall(number: int, *arguments: object) -> int:
    result = int(ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
