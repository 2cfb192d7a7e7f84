"""Templates at rest: AES-256-GCM under a key of the gallery's own, derived from the secret that also keeps the photos.

A sealed template is the nonce (96 random bits) and the content. Model, owner, person and point are authenticated with
it: whoever can write to the folder but has no key can neither add a person nor give one person's templates to another.
"""

import base64
import binascii
import json
import secrets

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from mosaicast.adapters.gallery.store import GalleryUnavailable, Payload, translate_errors

KEY_BYTES = 32
_NONCE_BYTES = 12
_PURPOSE = b"mosaicast gallery 1"
_NAME_OF_KEY = b"mosaicast gallery 1: name of the key"
Vectors = NDArray[np.float32]


class Seal:
    """Turns the templates of one person into a payload and back. Thread-safe.

    Args:
        key: `KEY_BYTES` random bytes; None: payloads hold the numbers as they are.
        collection: which model's templates; those of another do not open.
        dimension: of a vector.

    Raises:
        ValueError: a key of another length.
    """

    def __init__(self, key: bytes | None, collection: str, dimension: int) -> None:
        if key is not None and len(key) != KEY_BYTES:
            raise ValueError(f"the gallery's key has {len(key)} bytes, not {KEY_BYTES}")
        self._collection, self._dimension = collection, dimension
        self._cipher = None if key is None else AESGCM(_derived(key, _PURPOSE, 32))
        self._key_name = None if key is None else _derived(key, _NAME_OF_KEY, 8).hex()

    def close(self, owner: str, person: str, point: str, vectors: Vectors) -> dict[str, object]:
        """Return the payload of a point that keeps these vectors, [n, dimension]."""
        payload: dict[str, object] = {"owner": owner, "person": person}
        if self._cipher is None:
            return payload | {"plain": vectors.tolist()}
        nonce = secrets.token_bytes(_NONCE_BYTES)
        content = np.ascontiguousarray(vectors, "<f4").tobytes()
        sealed = nonce + self._cipher.encrypt(nonce, content, self._context(owner, person, point))
        return payload | {"sealed": base64.b64encode(sealed).decode(), "key": self._key_name}

    def open(self, owner: str, point: str, payload: Payload | None) -> tuple[str, Vectors]:
        """Return the person and the vectors of a point in this owner's folder.

        Raises:
            GalleryUnavailable: it was closed with another key, or with none, or changed, or moved here. Never nobody:
                an operator must hear of it.
        """
        payload = payload or {}
        person = payload.get("person")
        if payload.get("owner") != owner or not isinstance(person, str):
            raise GalleryUnavailable("template_damaged")
        if payload.get("key") != self._key_name:
            raise GalleryUnavailable("wrong_key")
        content = payload.get("plain") if self._cipher is None else self._decrypted(owner, person, point, payload)
        vectors = translate_errors(lambda: np.asarray(content, np.float32).reshape(-1, self._dimension))
        if not len(vectors) or not np.all(np.isfinite(vectors)):
            raise GalleryUnavailable("template_damaged")
        return person, vectors

    def _decrypted(self, owner: str, person: str, point: str, payload: Payload) -> Vectors:
        assert self._cipher is not None
        try:
            sealed = base64.b64decode(str(payload.get("sealed")))  # its form is of no matter: it is authenticated
            nonce, content = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            opened = self._cipher.decrypt(nonce, content, self._context(owner, person, point))
            return np.frombuffer(opened, "<f4").astype(np.float32)
        except (InvalidTag, ValueError, binascii.Error) as exc:
            raise GalleryUnavailable("template_damaged") from exc

    def _context(self, owner: str, person: str, point: str) -> bytes:
        return json.dumps([_PURPOSE.decode(), self._collection, owner, person, point]).encode()


def _derived(key: bytes, purpose: bytes, length: int) -> bytes:
    """Return bytes that tell nothing about the key, nor about those of another purpose (RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(key)
