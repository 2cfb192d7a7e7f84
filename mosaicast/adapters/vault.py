"""Pictures of people at rest: AES-256-GCM, one file each, a folder for each person. `cryptography` ends here.

A file is the nonce (96 random bits; NIST SP 800-38D 8.2.2 allows 2^32 files under one key) and the sealed content. The
person and the item are authenticated with it: a file that is moved to another name does not open.
"""

import base64
import binascii
import contextlib
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mosaicast.runtime.files import write_whole

KEY_BYTES = 32
_NONCE_BYTES = 12
_FORMAT = b"mosaicast vault 1"
_CHECK = "key-check"
_ID = "vault-id"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}\Z")


class VaultError(Exception):
    """The vault can't do it: the operator's or the disk's fault."""


class VaultKeyError(VaultError):
    """The key is none, or not the one that the vault was made with: the operator's fault; no use to try again."""


class VaultDamagedError(VaultError):
    """What was kept is not there any more, or was changed."""


class VaultRefusesError(VaultError):
    """The vault belongs to another database: the operator's to mend; the text says how. What it holds stays."""


class Vault:
    """Encrypted files by person and item. Thread-safe; several processes may use one folder.

    Args:
        folder: made if it is not there.
        key: `KEY_BYTES` bytes.

    Raises:
        VaultKeyError: the folder was made with another key, or this is no key.
        VaultError: as every method here, when the disk fails.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise VaultKeyError(f"the vault's key has {len(key)} bytes, not {KEY_BYTES}")
        self._folder, self._sealer = folder, AESGCM(key)
        self._refuses: str | None = None
        with _disk_errors():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._check_key()

    @property
    def refuses(self) -> str | None:
        """Why nothing is written or erased, in a sentence; None: it is."""
        return self._refuses

    def refuse(self, why: str | None) -> None:
        """Write and erase nothing from now on, for this reason; None: write and erase again."""
        self._refuses = why

    def id(self) -> str | None:
        """Return which vault this is, as its database must say too; None: it is bound to none.

        Raises:
            VaultDamagedError: the file with the id was changed.
        """
        with _disk_errors():
            try:
                sealed = (self._folder / _ID).read_bytes()
            except FileNotFoundError:
                return None
        return self._open("", _ID, sealed).decode()

    def bind(self, vault_id: str, *, replace: bool = False) -> str:
        """Bear an id from now on; return the one it bears: without `replace`, one that is there already stays."""
        with _disk_errors(), contextlib.suppress(FileExistsError):
            write_whole(self._folder / _ID, self._seal("", _ID, vault_id.encode()), replace=replace)
        return self.id() or vault_id

    def put(self, person: str, item: str, content: bytes) -> None:
        """Keep content, in place of what the item was. It is there whole or not at all.

        Raises:
            ValueError: a name is not of letters, digits, _ and -.
            VaultRefusesError: see `refuses`.
        """
        self._must_not_refuse()
        path = self._path(person, item)
        with _disk_errors():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            write_whole(path, self._seal(person, item, content))

    def get(self, person: str, item: str) -> bytes:
        """Return what is kept.

        Raises:
            VaultDamagedError: it is not there, or not what was put there.
        """
        path = self._path(person, item)
        with _disk_errors():
            try:
                sealed = path.read_bytes()
            except FileNotFoundError as exc:
                raise VaultDamagedError("it is not in the vault") from exc
        return self._open(person, item, sealed)

    def has(self, person: str, item: str) -> bool:
        """Return whether something is kept, whatever state it is in."""
        with _disk_errors():
            return self._path(person, item).exists()

    def erase(self, person: str) -> None:
        """Erase all of a person; nothing of somebody unknown is no error.

        Raises:
            VaultRefusesError: see `refuses`.
        """
        self._must_not_refuse()
        with _disk_errors(), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._path(person, "any").parent)

    def erase_item(self, person: str, item: str) -> None:
        """Erase one item of a person; one that is not there is no error.

        Raises:
            VaultRefusesError: see `refuses`.
        """
        self._must_not_refuse()
        with _disk_errors():
            self._path(person, item).unlink(missing_ok=True)

    def people(self) -> frozenset[str]:
        """Return of whom something is kept."""
        with _disk_errors():
            return frozenset(entry.name for entry in self._folder.iterdir() if entry.is_dir())

    def _must_not_refuse(self) -> None:
        if self._refuses is not None:
            raise VaultRefusesError(self._refuses)

    def _check_key(self) -> None:
        path = self._folder / _CHECK
        if not path.exists() and not self.people():
            write_whole(path, self._seal("", _CHECK, _FORMAT))
        try:
            self._open("", _CHECK, path.read_bytes())
        except FileNotFoundError as exc:
            raise VaultDamagedError(f"{path} is missing: without it no key can be told from the right one") from exc
        except VaultDamagedError as exc:
            raise VaultKeyError(f"the photos in {self._folder} were encrypted with another key") from exc

    def _seal(self, person: str, item: str, content: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._sealer.encrypt(nonce, content, _context(person, item))

    def _open(self, person: str, item: str, sealed: bytes) -> bytes:
        nonce, content = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._sealer.decrypt(nonce, content, _context(person, item))
        except (InvalidTag, ValueError) as exc:
            raise VaultDamagedError("what is in the vault was changed, moved or cut off") from exc

    def _path(self, person: str, item: str) -> Path:
        if not (_NAME.match(person) and _NAME.match(item)):
            raise ValueError("a person's id or an item's name is not fit for a file")
        return self._folder / person / item


def read_key(preset: str | None, file: Path) -> bytes:
    """Return the vault's key: the preset one, or the one in the file, which is made at the first start.

    Args:
        preset: base64 of `KEY_BYTES` bytes; None or empty: use the file.
        file: readable by its owner only.

    Raises:
        VaultKeyError: it is no such key; the text says which.
        VaultError: the disk fails.
    """
    if preset and preset.strip():
        return _decoded(preset, "the setting MOSAICAST_VAULT__KEY")
    with _disk_errors():
        if not file.exists():
            _make_key(file)
        return _decoded(file.read_text(), str(file))


def _make_key(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.suppress(FileExistsError):  # another process was first: its key counts
        write_whole(file, base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n", replace=False)


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise VaultKeyError(f"{where} does not hold base64") from exc
    if len(key) != KEY_BYTES:
        raise VaultKeyError(f"{where} holds {len(key)} bytes in base64; a key has {KEY_BYTES}")
    return key


def _context(person: str, item: str) -> bytes:
    return b"\0".join((_FORMAT, person.encode(), item.encode()))


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise VaultError(f"the photos' folder fails: {exc.strerror or type(exc).__name__}") from exc
