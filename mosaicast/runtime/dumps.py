"""Memory that nobody may write to a disk: it holds vectors of strangers' faces."""

import ctypes
import resource

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def forbid_dumps() -> None:
    """Have a crash of this process leave no core, and let no other process of this user look into its memory.

    Both are needed: where cores are piped to a program, the kernel ignores the limit of their size (core(5)). The
    second has no effect outside Linux.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return
    prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
