"""A crash of a process that holds vectors leaves nothing on a disk."""

import subprocess
import sys

SCRIPT = """
import ctypes, resource
from mosaicast.runtime.dumps import forbid_dumps
PR_GET_DUMPABLE = 3
before = ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)
forbid_dumps()
forbid_dumps()
print(before, ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE))
"""


def test_no_core_and_nobody_may_look_in() -> None:
    told = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["1", "0", "0", "0"]
