"""The texts below the fields of a class, from its source: at run time nobody reads them, and to keep them would cost
every process."""

import ast
import functools
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise


@functools.cache
def texts_below(kind: type) -> Mapping[str, str]:
    """Return the text below each field of a class, its parents' included; fields without one are not in it."""
    texts: dict[str, str] = {}
    for part in reversed(kind.__mro__):
        if part.__module__.startswith("mosaicast."):
            texts.update(_own(part))
    return texts


def _own(kind: type) -> Iterator[tuple[str, str]]:
    tree = ast.parse(inspect.getsource(sys.modules[kind.__module__]))
    found = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind.__name__)
    yield from _texts(found.body)


def _texts(body: Sequence[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, below in pairwise(body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str() as text)):
                yield name, inspect.cleandoc(text)
