"""Programs that stand in for others in the tests of scripts."""

from pathlib import Path


def program(path: Path, text: str) -> None:
    """Write a program, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
