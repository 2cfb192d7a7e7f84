"""Bytes of a Kafka message: MessagePack of [topic, version, payload]."""

from typing import Any

import msgspec

from mosaicast.contracts.errors import ContractError
from mosaicast.contracts.messages import Message
from mosaicast.contracts.topics import TOPICS, M, Topic

_ENCODER = msgspec.msgpack.Encoder()
_ENVELOPE: msgspec.msgpack.Decoder[tuple[str, int, msgspec.Raw]] = msgspec.msgpack.Decoder(tuple[str, int, msgspec.Raw])
_PAYLOADS: dict[str, msgspec.msgpack.Decoder[Any]] = {
    topic.name: msgspec.msgpack.Decoder(topic.schema) for topic in TOPICS
}


def encode(topic: Topic[M], message: M) -> bytes:
    """Return the bytes of `message` for `topic`.

    Raises:
        ContractError: `too_large`, or `wrong_topic` for a message of another topic.
    """
    if type(message) is not topic.schema:
        raise ContractError("wrong_topic", f"{type(message).__name__} does not belong on {topic.name}")
    value = _ENCODER.encode((topic.name, topic.version, message))
    _check_size(topic, len(value))
    return value


def decode(topic: Topic[M], value: bytes) -> M:
    """Return the message in `value`, checked field by field.

    Raises:
        ContractError: `too_large`, `garbage`, `wrong_topic`, `unknown_version` or `invalid`.
    """
    _check_size(topic, len(value))
    try:
        name, version, payload = _ENVELOPE.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ContractError("garbage", f"not an envelope of {topic.name}") from exc
    if name != topic.name:
        raise ContractError("wrong_topic", f"an envelope of another topic on {topic.name}")
    if version != topic.version:
        raise ContractError("unknown_version", f"{topic.name} version {version}, known is {topic.version}")
    return _decode_payload(topic, payload)


def key_of(topic: Topic[M], message: M) -> str:
    """Return the Kafka key of a message."""
    return str(getattr(message, topic.key))


def _decode_payload(topic: Topic[M], payload: msgspec.Raw) -> M:
    try:
        message: M = _PAYLOADS[topic.name].decode(payload)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as exc:
        # The library's text may quote the value; only its path is safe to keep.
        path = str(exc).rpartition(" - at ")[2] if " - at " in str(exc) else ""
        raise ContractError("invalid", f"{topic.name} {path}".strip()) from exc
    return message


def _check_size(topic: Topic[M], size: int) -> None:
    if size > topic.largest_bytes:
        raise ContractError("too_large", f"{size} bytes on {topic.name}, at most {topic.largest_bytes}")


__all__ = ["Message", "decode", "encode", "key_of"]
