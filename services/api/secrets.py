"""Ids, keys and tokens that nobody can guess, and comparing them."""

import hashlib
import hmac
import secrets


def new_secret() -> str:
    """Return a new key or token: 192 random bits."""
    return secrets.token_urlsafe(24)


def digest(secret: str) -> str:
    """Return the hash under which a secret is kept.

    Plain SHA-256: the secrets are ours and random, there is nothing to guess that salt or stretching would slow down.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def same(given: str, expected: str) -> bool:
    """Compare secrets in constant time; an empty one is never right."""
    return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())


def new_id() -> str:
    """Return an id for a stream or a person; it begins with a letter, so that no tool takes it for an option."""
    return f"s{new_secret().replace('_', 'x').replace('-', 'y')[:15]}"
