"""structlog without rich, with which it draws tracebacks on terminals: 0.1 s of each start, for lines of JSON."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def _hidden(name: str) -> Iterator[None]:
    """Have a package look as if it were not installed, to whoever imports it meanwhile."""
    before = {name: sys.modules[name]} if name in sys.modules else {}
    modules: dict[str, Any] = sys.modules
    modules[name] = None  # the documented way to make an import fail
    try:
        yield
    finally:
        del sys.modules[name]
        sys.modules.update(before)


with _hidden("rich"):
    import structlog
    from structlog.stdlib import ProcessorFormatter

__all__ = ["ProcessorFormatter", "structlog"]
