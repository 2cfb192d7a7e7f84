"""docs/reference/ is what the code says, and each page says all of it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from mosaicast.contracts.topics import TOPICS, Topic
from mosaicast.runtime.metrics import Metrics
from mosaicast.runtime.settings import SERVICES, Settings, variables
from tools.reference import metrics, settings
from tools.reference.__main__ import PAGES, ROOT, main, stale, write
from tools.reference.topics import field_texts

TOPICS_PAGE = yaml.safe_load((ROOT / "docs/reference/topics.yaml").read_text())


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_fresh(name: str) -> None:
    assert name not in stale(), "run `python -m tools.reference`"


def test_an_old_page_is_told_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    assert stale(tmp_path) == []
    first, second, third, *_ = (tmp_path / name for name in PAGES)
    first.write_text(first.read_text() + "\n")
    second.unlink()
    assert stale(tmp_path) == list(PAGES)[:2]
    write(tmp_path)
    assert stale(tmp_path) == []
    assert third.exists()
    assert main(["--check"]) == 0
    assert capsys.readouterr().err == ""


# --- settings -----------------------------------------------------------------------------------------------


def test_every_setting_has_one_row_with_its_readers() -> None:
    rows = re.findall(r"^\| `(MOSAICAST_\w+)` \| (.+?) \| (.+?) \| (.+?) \| (.+) \|$", settings.page(), re.MULTILINE)
    assert sorted(row[0] for row in rows) == sorted(one.name for one in variables(Settings))
    readers = {name: set(SERVICES) if who == "all" else set(who.split(", ")) for name, _, _, who, _ in rows}
    for service, own in SERVICES.items():
        assert {name for name, who in readers.items() if service in who} == {one.name for one in variables(own)}


@pytest.mark.parametrize(
    ("name", "kind", "default"),
    [
        ("MOSAICAST_KAFKA__PARTITIONS", "whole number from 1 to 1024", "`4`"),
        ("MOSAICAST_KAFKA__EMBEDDED", "true or false", "`false`"),
        ("MOSAICAST_KAFKA__SSL_CA_LOCATION", "file", "none"),
        ("MOSAICAST_EDGE__TOKEN", "secret", "none"),
        ("MOSAICAST_DETECTOR__DEVICE", "`auto`, `cpu`, `cuda`", "`auto`"),
        (
            "MOSAICAST_MEDIA__LIVE_CODECS",
            "text",
            "`h264`, `aac`, `mp3`, `speex`, `opus`, `ac3`, `eac3`, `pcm_s16le`, `pcm_u8`, `pcm_alaw`, `pcm_mulaw`",
        ),
    ],
)
def test_types_and_defaults_are_told_in_words(name: str, kind: str, default: str) -> None:
    assert re.search(rf"^\| `{name}` \| {re.escape(kind)} \| {re.escape(default)} \|", settings.page(), re.MULTILINE)


# --- metrics ------------------------------------------------------------------------------------------------


def test_every_metric_has_a_row_and_somebody_who_counts_it() -> None:
    names = {metric._name for metric in metrics.named(Metrics()).values()}
    told = set(re.findall(r"^\| `(\w+?)(?:_total)?` \|", metrics.page(), re.MULTILINE))
    assert told == names
    assert [name for name, services in metrics.counted_by().items() if not services] == []


def test_who_counts_what() -> None:
    counted = metrics.counted_by()
    assert counted["frames_ingested"] == ["ingest"]
    assert counted["work"] == ["detector", "recognizer"]
    assert set(counted["bus_drops"]) == set(SERVICES)
    assert set(counted["child_layers"]) == {"api", "ingest", "compositor"}


# --- topics -------------------------------------------------------------------------------------------------


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resolved(reference: str) -> Any:
    found = TOPICS_PAGE
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def test_the_document_has_what_asyncapi_3_asks_for() -> None:
    assert TOPICS_PAGE["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(TOPICS_PAGE["info"])
    assert list(TOPICS_PAGE["channels"]) == [topic.name for topic in TOPICS]
    for operation in TOPICS_PAGE["operations"].values():
        assert operation["action"] in {"send", "receive"}
        assert {message["$ref"].rpartition("/messages/")[0] for message in operation["messages"]} == {
            operation["channel"]["$ref"]
        }
    for server in TOPICS_PAGE["servers"].values():
        assert {"host", "protocol"} <= set(server)


def test_nothing_that_is_referred_to_is_missing() -> None:
    found = set(references(TOPICS_PAGE))
    assert len(found) > 40
    for reference in found:
        assert resolved(reference)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_topic_is_told_as_its_contract_says(topic: Topic[Any]) -> None:
    channel = TOPICS_PAGE["channels"][topic.name]
    assert (channel["x-version"], channel["x-gone-after-ms"]) == (topic.version, topic.retention_ms)
    (message,) = channel["messages"].values()
    payload = resolved(resolved(message["$ref"])["payload"]["$ref"])
    fields = msgspec.structs.fields(topic.schema)
    assert list(payload["properties"]) == [field.encode_name for field in fields]
    assert payload["required"] == [field.encode_name for field in fields if field.required]
    assert payload["additionalProperties"] is False
    tags = {tag["name"] for one in operations(topic, "receive") for tag in one["tags"]}
    assert tags == set(topic.consumers) & set(SERVICES)
    assert len(operations(topic, "send")) == (5 if topic.producer == "all" else 1)


def operations(topic: Topic[Any], action: str) -> list[Any]:
    found = TOPICS_PAGE["operations"].values()
    return [one for one in found if one["action"] == action and one["channel"]["$ref"] == f"#/channels/{topic.name}"]


def test_texts_below_fields_are_their_descriptions() -> None:
    told = {name: field_texts(topic.schema) for topic in TOPICS for name in [topic.schema.__name__]}
    assert told["MediaPacket"]["end_of_epoch"].startswith("The source has ended")
    schemas = TOPICS_PAGE["components"]["schemas"]
    for name, texts in told.items():
        for field, text in texts.items():
            assert schemas[name]["properties"][field]["description"] == text


def test_patterns_are_such_as_json_schema_reads() -> None:
    def patterns(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key == "pattern" and isinstance(inner, str):
                    yield inner
                yield from patterns(inner)

    found = list(patterns(TOPICS_PAGE["components"]["schemas"]))
    assert len(found) > 5
    for pattern in found:
        assert "\\Z" not in pattern
        assert not re.match(pattern, "a b\n")
