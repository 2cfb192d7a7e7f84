"""The page of topics, as AsyncAPI 3: what crosses Kafka, who sends it, who reads it, how long it is kept."""

import ast
import importlib.metadata
import inspect
import itertools
import textwrap
from typing import Any, get_args

import msgspec
import yaml

from mosaicast.adapters.kafka.topics import topic_settings
from mosaicast.contracts.messages import Message
from mosaicast.contracts.topics import TOPICS, Topic, Topology
from mosaicast.runtime.settings import KafkaSettings, Service

_HEAD = "# Made from the code by `python -m tools.reference`; do not edit.\n"
_BROKER = "MOSAICAST_KAFKA__BOOTSTRAP says which."
_ABOUT = """\
What crosses Kafka between Mosaicast's services, made from mosaicast/contracts.

Each value is MessagePack of [topic, version, payload]; the schemas below are of the payload. Bytes are MessagePack's
own binary, not base64. Each key is UTF-8 text; the partition is CRC-32 of the key modulo the partitions, of which
there are MOSAICAST_KAFKA__PARTITIONS. Unknown fields are refused. A value that does not decode leaves a note on
dead-letters.

Of each channel, x-version is the version in the value, x-pictures says whether messages show people, and
x-gone-after-ms after how long nothing of a message is on the broker's disk (null: kept for ever).
"""
_NUMBERS: tuple[str, ...] = ("retention.ms", "delete.retention.ms", "max.message.bytes")


class _Yaml(yaml.SafeDumper):  # type: ignore[misc]
    """Writes texts of several lines as they are."""


def _text(dumper: yaml.SafeDumper, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Yaml.add_representer(str, _text)


def page() -> str:
    """Return the text of the page."""
    return _HEAD + str(yaml.dump(document(), Dumper=_Yaml, sort_keys=False, allow_unicode=True, width=120))


def document() -> dict[str, Any]:
    """Return the document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Mosaicast's topics",
            "version": importlib.metadata.version("mosaicast"),
            "description": _ABOUT,
            "license": {"name": "AGPL-3.0-only"},
        },
        "defaultContentType": "application/msgpack",
        "servers": {"kafka": {"host": KafkaSettings().bootstrap, "protocol": "kafka", "description": _BROKER}},
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": {name: operation for topic in TOPICS for name, operation in _operations(topic)},
        "components": {"messages": {_name(topic): _message(topic) for topic in TOPICS}, "schemas": _schemas()},
    }


def _channel(topic: Topic[Message]) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": f"{_doc(topic.schema)} Version {topic.version}.",
        "messages": {_name(topic): {"$ref": f"#/components/messages/{_name(topic)}"}},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": Topology().partitions,
                "topicConfiguration": _configuration(topic),
                "bindingVersion": "0.5.0",
            }
        },
        "x-version": topic.version,
        "x-pictures": topic.pictures,
        "x-gone-after-ms": topic.retention_ms,
        "x-largest-payload-bytes": topic.largest_bytes,
    }


def _configuration(topic: Topic[Message]) -> dict[str, Any]:
    """Return of the broker's settings what the binding has words for."""
    made = topic_settings(topic)
    numbers = {name: int(made[name]) for name in _NUMBERS if name in made}
    return {"cleanup.policy": [made["cleanup.policy"]], **numbers}


def _operations(topic: Topic[Message]) -> list[tuple[str, dict[str, Any]]]:
    senders, readers = _parts(topic.producer), [part for word in topic.consumers for part in _parts(word)]
    told = {"send": ("sends", senders), "receive": ("reads", readers)}
    return [
        (
            f"{part}-{verb}-{topic.name}",
            {
                "action": action,
                "channel": {"$ref": f"#/channels/{topic.name}"},
                "messages": [{"$ref": f"#/channels/{topic.name}/messages/{_name(topic)}"}],
                "tags": [{"name": part}],
            },
        )
        for action, (verb, parts) in told.items()
        for part in parts
    ]


def _parts(word: str) -> list[str]:
    """Return the services that a word of the table of topics means; people read with a tool of theirs."""
    if word == "all":
        return list(get_args(Service))
    return [word] if word in get_args(Service) else []


def _message(topic: Topic[Message]) -> dict[str, Any]:
    key = {"type": "string", "description": f"The payload's {topic.key}."}
    return {
        "name": _name(topic),
        "title": _name(topic),
        "summary": _doc(topic.schema),
        "contentType": "application/msgpack",
        "bindings": {"kafka": {"key": key, "bindingVersion": "0.5.0"}},
        "payload": {"$ref": f"#/components/schemas/{_name(topic)}"},
    }


def _name(topic: Topic[Message]) -> str:
    return topic.schema.__name__


def _doc(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split("\n\n")[0].split())


def _schemas() -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components(
        [topic.schema for topic in TOPICS], ref_template="#/components/schemas/{name}"
    )
    told = {kind.__name__: field_texts(kind) for kind in _structs()}
    for name, schema in schemas.items():
        for field, described in schema.get("properties", {}).items():
            if (text := told.get(name, {}).get(field)) is not None:
                schema["properties"][field] = _described(described, text)
    plain: dict[str, Any] = _plain(schemas)
    return plain


def _structs() -> list[type[msgspec.Struct]]:
    """Return every kind of message and what messages are made of."""
    found: dict[str, type[msgspec.Struct]] = {}
    waiting: list[type[msgspec.Struct]] = [topic.schema for topic in TOPICS]
    while waiting:
        kind = waiting.pop()
        if kind.__name__ not in found:
            found[kind.__name__] = kind
            waiting += [inner for field in msgspec.structs.fields(kind) for inner in _inner(field.type)]
    return list(found.values())


def _inner(annotation: Any) -> list[type[msgspec.Struct]]:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return [annotation]
    return [kind for one in get_args(annotation) for kind in _inner(one)]


def field_texts(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return the text below each field of a message, where there is one."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(tree, ast.ClassDef)
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in itertools.pairwise(tree.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _described(schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"description": text, "allOf": [schema]} if "$ref" in schema else {"description": text, **schema}


def _plain(value: Any) -> Any:
    """Return what YAML can hold, and patterns as JSON Schema reads them."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value.removesuffix("\\Z") + "$" if isinstance(value, str) and value.endswith("\\Z") else value
