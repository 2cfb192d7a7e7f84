"""The vault and its database bear one id, so that a wrong, empty or restored database never wipes it."""

import secrets

from mosaicast.adapters.database.storage import Storage
from mosaicast.adapters.vault import Vault
from mosaicast.core.holdings import Enrolled, binding

REFUSES = (
    "the photos in the vault belong to another database: nothing is written or erased there; restore that database, "
    "or see `mosaicast doctor`"
)


def bind(storage: Storage, vault: Vault, *, force: bool = False) -> str | None:
    """Bind vault and database to each other, or have the vault refuse; return why it does, None if it does not.

    Args:
        force: bind them whatever they say: the operator knows better.

    Raises:
        StorageError, VaultError: it can't be told.
    """
    vault_id, database_id = vault.id(), storage.vault_id()
    if force:
        new_id = secrets.token_hex(16)
        storage.bind_vault(new_id, replace=True)
        vault.bind(new_id, replace=True)
        vault.refuse(None)
        return None
    found = binding(vault_id, database_id, vault.people(), storage.people_ids())
    if found == "bind":
        # The database first: of two processes that start at once, both take the id of the faster one from it.
        chosen = storage.bind_vault(vault_id or database_id or secrets.token_hex(16))
        found = "bound" if vault.bind(chosen) == chosen else "refuse"
    vault.refuse(REFUSES if found == "refuse" else None)
    return vault.refuses


def enrolled(storage: Storage) -> dict[str, Enrolled]:
    """Return what the database says of everybody, by id.

    Raises:
        StorageError: the database is away.
    """
    return {
        person.person_id: Enrolled(
            owner=person.owner_id,
            photos=any(photo.photo_id is not None for photo in person.photos),
            templates=bool(person.templates),
            kept=person.state == "kept",
        )
        for person in storage.everybody()
    }
