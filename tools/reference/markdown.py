"""Markdown, as all pages write it."""

from collections.abc import Iterable, Sequence

from mosaicast.runtime.settings import SERVICES

MADE_BY = "<!-- Made from the code by `python -m tools.reference`; do not edit. -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def codes(texts: Iterable[str]) -> str:
    """Return texts as code, with commas between them."""
    return ", ".join(f"`{text}`" for text in texts)


def services(names: Sequence[str]) -> str:
    """Return services' names with commas between them, or `all`."""
    return "all" if set(names) == set(SERVICES) else ", ".join(names)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
