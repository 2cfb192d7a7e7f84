"""What the pages say can be followed: links and anchors lead somewhere, commands, options and settings exist."""

import ast
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel
from pydantic_settings import BaseSettings

from mosaicast.runtime import settings as ours
from services.cli.main import app

ROOT = Path(__file__).parents[2]
AWAY = {".venv", ".uv", ".cache", "var", "node_modules", "out"}
PAGES = sorted(
    path for path in ROOT.rglob("*.md") if not AWAY.intersection(path.relative_to(ROOT).parts) and not path.is_symlink()
)
TODAY = [path for path in PAGES if path.name != "CHANGELOG.md" and path.parent.name != "adr"]
"""Pages that speak of today's code; the others are history."""
INDEX = ROOT / "docs" / "README.md"

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
COMMAND = re.compile(r"(?<![\w/.-])(?:\.venv/bin/)?mosaicast ((?:[a-z-]|\"|$).*)")
SETTING = re.compile(r"MOSAICAST_[A-Z0-9_]+\*?")
ENDS_A_COMMAND = {"|", "||", "&&", ";", "&", ">", ">>"}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def dead_links(page: Path) -> Iterator[str]:
    """Yield the relative links of a page that lead nowhere."""
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        target, _, anchor = link.partition("#")
        if "://" in link or link.startswith("mailto:"):
            continue
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and anchor not in anchors(path.read_text())):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    assert list(dead_links(page)) == []


def test_a_dead_link_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One `two`: three\n\n[a](#one-two-three) [b](#one) [c](page.md#one-two-three) [d](other.md)\n\n"
        "```\n# Not a heading\n[e](none.md)\n```\n[f](#not-a-heading)\n"
    )
    assert list(dead_links(page)) == ["#one", "other.md", "#not-a-heading"]


def test_the_index_leads_to_every_page() -> None:
    linked = {(INDEX.parent / link.partition("#")[0]).resolve() for link in LINK.findall(INDEX.read_text())}
    pages = {path for path in PAGES if path.is_relative_to(INDEX.parent) and path.parent.name != "adr"} - {INDEX}
    assert sorted(named(path) for path in pages - linked) == []


def command_lines(text: str) -> Iterator[str]:
    """Yield what stands behind `mosaicast ` in a page's code: in blocks a line each, in the text between backticks."""
    blocks = FENCE.findall(text)
    for line in (line for block in blocks for line in block.replace("\\\n", " ").splitlines()):
        if found := COMMAND.search(line):
            yield found[1]
    for code in re.findall(r"`([^`]+)`", FENCE.sub("", text)):
        if found := re.fullmatch(r"(?:\.venv/bin/)?mosaicast (.+)", " ".join(code.split())):
            yield found[1]


def wrong(line: str) -> str | None:
    """Return what of a command line does not exist, None if all of it does."""
    command: Any = typer.main.get_command(app)
    for word in shlex.split(line, comments=True):
        if word in ENDS_A_COMMAND:
            break
        if word.startswith("-"):
            options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
            if word.partition("=")[0] not in options | {"--help"}:
                return word
        elif hasattr(command, "commands"):
            if word not in command.commands:
                return word
            command = command.commands[word]
    return None


# The reference of the command line is written from the code, and has its own test; it says `mosaicast COMMAND` too.
@pytest.mark.parametrize("page", [page for page in TODAY if page.name != "cli.md"], ids=named)
def test_commands_exist(page: Path) -> None:
    lines = list(command_lines(page.read_text()))
    assert [line for line in lines if wrong(line) is not None] == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("up --kafka", None),
        ("streams create 'Market' --owner ann", None),
        ("streams creat 'Market'", "creat"),
        ("up --kafak", "--kafak"),
        ("people list --json | grep Ann --colour", None),
    ],
)
def test_a_wrong_command_is_seen(line: str, fault: str | None) -> None:
    assert wrong(line) == fault


def test_commands_are_found() -> None:
    text = (
        'Say `mosaicast up` or\n\n```sh\n.venv/bin/mosaicast enroll "Ann" \\\n  a.jpg  # hers\n```\n\n`mosaicast_x`\n'
    )
    assert [shlex.split(line, comments=True) for line in command_lines(text)] == [["enroll", "Ann", "a.jpg"], ["up"]]


def settings() -> set[str]:
    """Return the variables that can be set."""
    classes = [one for one in vars(ours).values() if isinstance(one, type) and issubclass(one, BaseSettings)]
    return {name for one in classes for name in variables(one, "MOSAICAST_")}


def variables(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """Yield the variables that set a model's fields, those of its blocks too."""
    for name, field in model.model_fields.items():
        block = field.annotation
        if isinstance(block, type) and issubclass(block, BaseModel):
            yield from variables(block, f"{prefix}{name.upper()}__")
        else:
            yield f"{prefix}{name.upper()}"


def read_elsewhere() -> set[str]:
    """Return the variables that the commands, the loader of settings, the scripts and the tests read by their names."""
    places = [
        path for top in ("mosaicast", "services", "synthetic", "bench", "tests") for path in (ROOT / top).rglob("*.py")
    ]
    quoted = {name for path in places for name in re.findall(r"[\"'](MOSAICAST_[A-Z0-9_]+)[\"']", path.read_text())}
    scripts = {name for path in (ROOT / "scripts").iterdir() for name in SETTING.findall(path.read_text())}
    return {name for name in quoted | scripts if "__" not in name}


@pytest.mark.parametrize("page", TODAY, ids=named)
def test_settings_exist(page: Path) -> None:
    known = settings() | read_elsewhere()
    unknown = {
        name
        for name in SETTING.findall(page.read_text())
        if not (any(one.startswith(name[:-1]) for one in known) if name[-1] in "*_" else name in known)
    }
    assert unknown == set()


def test_settings_are_found() -> None:
    assert {"MOSAICAST_DATA_DIR", "MOSAICAST_KAFKA__BOOTSTRAP", "MOSAICAST_VAULT__KEY"} <= settings()
    assert {"MOSAICAST_TOKEN", "MOSAICAST_KAFKA_HOME"} <= read_elsewhere()
    assert "MOSAICAST_KAFKA__BOOTSTRAPS" not in settings() | read_elsewhere()


OF_A_STATUS = (
    "services/ingest/plan.py",
    "services/ingest/runner.py",
    "services/ingest/child.py",
    "services/compositor",
    "services/api/status.py",
    "mosaicast/adapters/media/source.py",
    "mosaicast/adapters/media/sound.py",
    "mosaicast/adapters/media/source_errors.py",
    "mosaicast/adapters/media/source_sound.py",
    "mosaicast/adapters/media/allowed.py",
    "mosaicast/adapters/media/tracks.py",
    "mosaicast/adapters/media/late.py",
)
"""Where it comes about what a stream's status says."""
OF_A_VERDICT = (
    "services/api/people/enrollment.py",
    "services/api/people/naming.py",
    "services/api/watching.py",
    "mosaicast/adapters/media/photos.py",
    "mosaicast/adapters/media/photo_file.py",
    "mosaicast/adapters/media/photo_names.py",
)
"""Where the sentences of a photo's verdict are made, and those of the watch page."""
NOT_SHOWN = {"queue.Queue[Item | None]"}
"""What is no sentence."""


def sentences(room: str) -> set[str]:
    """Return the fixed parts of all texts of three words or more in a room, docstrings and asserts aside."""
    path = ROOT / room
    found = set()
    for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
        tree = ast.parse(file.read_text())
        aside = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        aside |= {id(node.msg) for node in ast.walk(tree) if isinstance(node, ast.Assert)}
        texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in aside)
        found |= {text.value for text in texts if isinstance(text.value, str) and text.value.count(" ") >= 2}
    return found - NOT_SHOWN


@pytest.mark.parametrize("room", OF_A_STATUS)
def test_each_sentence_of_a_status_is_one_of_the_list(room: str) -> None:
    """The api shows no other: a text that is not in `mosaicast.contracts.situations` would be read by nobody."""
    page = " ".join((ROOT / "docs/reference/states.md").read_text().split())
    assert [text for text in sorted(sentences(room)) if text.strip() not in page] == []


@pytest.mark.parametrize("room", OF_A_VERDICT)
def test_each_sentence_of_a_verdict_or_the_page_has_its_place(room: str) -> None:
    page = " ".join((ROOT / "docs/how-to/troubleshooting.md").read_text().split())
    assert len(sentences(room)) > 0
    assert [text for text in sorted(sentences(room)) if text.strip() not in page] == []


def test_sentences_are_found() -> None:
    assert "it takes too long to read" in sentences("mosaicast/adapters/media/photos.py")
    assert "Nobody is publishing." in sentences("mosaicast/contracts/situations")
