"""The vault: what lies on the disk is sealed, whole, and opens only where it was put, with the right key."""

import base64
import os
import stat
import threading
from pathlib import Path

import pytest

from mosaicast.adapters.vault import Vault, VaultDamagedError, VaultError, VaultKeyError, VaultRefusesError, read_key

KEY = bytes(range(32))
PHOTO = b"the picture of Ann" * 50


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault", KEY)


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("content", [b"", b"x", PHOTO])
def test_what_is_put_is_got(vault: Vault, content: bytes) -> None:
    vault.put("ann", "p1", content)
    assert vault.get("ann", "p1") == content
    vault.put("ann", "p1", content + b"new")
    assert vault.get("ann", "p1") == content + b"new"


def test_nothing_readable_lies_on_the_disk_and_nobody_else_may_look(vault: Vault, tmp_path: Path) -> None:
    vault.put("ann", "p1", PHOTO)
    vault.put("bob", "p1", PHOTO)
    held = everything(tmp_path)
    assert PHOTO[:18] not in held
    assert KEY not in held
    files = [path for path in (tmp_path / "vault").rglob("*") if path.is_file()]
    assert len({path.read_bytes() for path in files}) == len(files), "the same picture twice looks different"
    for path in (tmp_path / "vault").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_file_opens_only_where_it_was_put(vault: Vault, tmp_path: Path) -> None:
    vault.put("ann", "p1", PHOTO)
    vault.put("bob", "p1", b"Bob")
    sealed = (tmp_path / "vault" / "ann" / "p1").read_bytes()
    for place in (("bob", "p1"), ("ann", "p2")):
        tmp_path.joinpath("vault", *place).write_bytes(sealed)
        with pytest.raises(VaultDamagedError):
            vault.get(*place)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone"])
def test_damage_is_told(vault: Vault, tmp_path: Path, damage: str) -> None:
    vault.put("ann", "p1", PHOTO)
    path = tmp_path / "vault" / "ann" / "p1"
    sealed = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        changed = {"flip": sealed[:-1] + bytes([sealed[-1] ^ 1]), "cut": sealed[:20], "empty": b""}
        path.write_bytes(changed[damage])
    with pytest.raises(VaultDamagedError):
        vault.get("ann", "p1")


def test_erasing_takes_all_of_one_person_only(vault: Vault, tmp_path: Path) -> None:
    vault.put("ann", "p1", PHOTO)
    vault.put("ann", "p2", PHOTO)
    vault.put("bob", "p1", b"Bob")
    sealed = (tmp_path / "vault" / "ann" / "p1").read_bytes()
    assert vault.people() == {"ann", "bob"}
    vault.erase("ann")
    vault.erase("ann")
    vault.erase("nobody")
    assert vault.people() == {"bob"}
    assert sealed not in everything(tmp_path)
    assert vault.get("bob", "p1") == b"Bob"


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc", "a.b", "ä", "a\0", "a" * 81, "a\n"])
def test_no_name_leads_out_of_the_folder(vault: Vault, name: str) -> None:
    for person, item in ((name, "p1"), ("ann", name)):
        with pytest.raises(ValueError, match="not fit"):
            vault.put(person, item, b"x")
        with pytest.raises(ValueError, match="not fit"):
            vault.get(person, item)
    with pytest.raises(ValueError, match="not fit"):
        vault.erase(name)


def test_one_item_is_erased_and_the_others_stay(vault: Vault) -> None:
    vault.put("ann", "p1", b"x")
    vault.put("ann", "p2", b"y")
    for item in ("p1", "p1", "never"):
        vault.erase_item("ann", item)
    vault.erase_item("nobody", "p1")
    assert (vault.has("ann", "p1"), vault.get("ann", "p2")) == (False, b"y")
    vault.refuse("another database")
    with pytest.raises(VaultRefusesError):
        vault.erase_item("ann", "p2")
    assert vault.has("ann", "p2")


def test_another_key_is_refused_at_the_start(vault: Vault, tmp_path: Path) -> None:
    assert Vault(tmp_path / "vault", KEY).people() == frozenset()
    with pytest.raises(VaultKeyError, match="another key"):
        Vault(tmp_path / "vault", bytes(32))
    with pytest.raises(VaultKeyError, match="31 bytes"):
        Vault(tmp_path / "vault", bytes(31))


def test_a_vault_whose_check_is_lost_takes_no_new_key(vault: Vault, tmp_path: Path) -> None:
    vault.put("ann", "p1", PHOTO)
    (tmp_path / "vault" / "key-check").unlink()
    with pytest.raises(VaultDamagedError, match="key-check"):
        Vault(tmp_path / "vault", bytes(32))


def test_a_write_that_fails_leaves_what_was(vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.put("ann", "p1", PHOTO)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(VaultError, match="No space left"):
        vault.put("ann", "p1", b"new")
    assert vault.get("ann", "p1") == PHOTO
    assert [path.name for path in (tmp_path / "vault" / "ann").iterdir()] == ["p1"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VaultError, match="fails"):
        Vault(tmp_path / "file" / "vault", KEY)


def test_the_key_file_is_made_once_and_is_private(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "vault_key"
    key = read_key(None, file)
    assert len(key) == 32
    assert read_key("", file) == key
    assert read_key("  ", file) == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert os.listdir(file.parent) == ["vault_key"]


def test_two_starts_at_once_get_one_key(tmp_path: Path) -> None:
    file, keys, ready = tmp_path / "secrets" / "vault_key", [], threading.Barrier(8)

    def start() -> None:
        ready.wait()
        keys.append(read_key(None, file))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1


def test_a_preset_key_needs_no_file(tmp_path: Path) -> None:
    assert read_key(base64.b64encode(KEY).decode() + "\n", tmp_path / "none") == KEY
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("preset", "says"),
    [("not base64!", "MOSAICAST_VAULT__KEY does not hold base64"), ("ä", "base64"), ("AAAA", "3 bytes")],
)
def test_a_wrong_key_names_the_setting_and_never_itself(tmp_path: Path, preset: str, says: str) -> None:
    with pytest.raises(VaultKeyError, match=says) as told:
        read_key(preset, tmp_path / "none")
    assert preset not in str(told.value)
    (tmp_path / "vault_key").write_text(preset)
    with pytest.raises(VaultKeyError, match="vault_key"):
        read_key(None, tmp_path / "vault_key")


def test_a_vault_bears_the_id_that_it_was_bound_to_first(vault: Vault, tmp_path: Path) -> None:
    assert vault.id() is None
    assert vault.bind("first") == "first"
    assert vault.bind("second") == "first"
    assert Vault(tmp_path / "vault", KEY).id() == "first"
    assert vault.people() == frozenset()
    assert vault.bind("second", replace=True) == "second"
    (tmp_path / "vault" / "vault-id").write_bytes(b"somebody else's")
    with pytest.raises(VaultDamagedError):
        vault.id()


def test_a_vault_that_refuses_still_shows_and_changes_nothing(vault: Vault) -> None:
    vault.put("ann", "p1", PHOTO)
    vault.refuse("it is another's")
    assert vault.refuses == "it is another's"
    with pytest.raises(VaultRefusesError, match="it is another's"):
        vault.put("ann", "p1", b"x")
    with pytest.raises(VaultRefusesError, match="it is another's"):
        vault.erase("ann")
    assert vault.get("ann", "p1") == PHOTO
    vault.refuse(None)
    vault.erase("ann")
    assert vault.people() == frozenset()
