"""What `mosaicast doctor` finds and mends: looks at this machine's files and stores, not at a running api.

A check is a function of `CHECKS`; more may be added there.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mosaicast.adapters.binding import bind, enrolled
from mosaicast.adapters.database.storage import Storage, StorageError
from mosaicast.adapters.gallery.qdrant import GalleryConfig, GalleryUnavailable, QdrantGallery
from mosaicast.adapters.models.errors import ModelError
from mosaicast.adapters.vault import Vault, VaultError, read_key
from mosaicast.core.holdings import Differences, binding, compare
from mosaicast.runtime import rights
from mosaicast.runtime.settings import Settings
from services.cli.models import require_chosen
from services.cli.printing import err

Ask = Callable[[str], None]
"""Asks the user a question, and returns only if the answer is yes."""


class DoctorError(Exception):
    """What was asked for can't be done; the text says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    check: str
    good: bool
    detail: str
    """A sentence; what to do, if something is to be done."""
    ids: tuple[str, ...] = ()
    """Of people, or `owner/person`."""


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores that doctor examines. Opening them creates nothing."""

    settings: Settings
    storage: Storage | None
    """None: there is no database yet."""
    vault: Vault | None
    gallery: QdrantGallery
    troubles: tuple[Finding, ...] = field(default=())
    """What could not even be opened."""

    @property
    def differences(self) -> Differences:
        """Compare vault, gallery and database.

        Raises:
            StorageError, GalleryUnavailable, VaultError: one can't be read.
        """
        in_vault = self.vault.people() if self.vault is not None else frozenset[str]()
        in_gallery = self.gallery.everybody()
        return compare(in_vault, in_gallery, enrolled(self.storage) if self.storage is not None else {})

    @property
    def refuses(self) -> bool:
        """Whether the vault is another database's."""
        if self.vault is None:
            return False
        ids = self.storage.people_ids() if self.storage is not None else frozenset[str]()
        database_id = self.storage.vault_id() if self.storage is not None else None
        return binding(self.vault.id(), database_id, self.vault.people(), ids) == "refuse"


def opened(settings: Settings) -> Stores:
    """Open what is there."""
    troubles: list[Finding] = []
    storage, vault = None, None
    try:
        storage = _storage(settings)
    except StorageError as exc:
        troubles.append(Finding("database", False, str(exc)))
    try:
        vault = _vault(settings)
    except VaultError as exc:
        troubles.append(Finding("vault", False, str(exc)))
    qdrant = settings.qdrant
    key = qdrant.api_key.get_secret_value() if qdrant.api_key else None
    # Of whichever model: this one's name is not asked for.
    gallery = QdrantGallery(
        GalleryConfig(
            "any", "0", 1, settings.gallery_path, url=qdrant.url, api_key=key, timeout_s=qdrant.timeout_s,
            former_path=settings.former_gallery_path,
        )
    )  # fmt: skip
    return Stores(settings, storage, vault, gallery, tuple(troubles))


def examined(stores: Stores) -> Iterator[Finding]:
    """Yield what each check found; one that fails is a finding too."""
    yield from stores.troubles
    for name, check in CHECKS.items():
        try:
            yield from check(stores)
        except (StorageError, GalleryUnavailable, VaultError) as exc:
            yield Finding(name, False, f"it can't be told: {exc}")


def _rights(stores: Stores) -> Iterator[Finding]:
    loose = len(list(rights.looser(stores.settings.data_dir)))
    sentence = f"{loose} of ours can be read by others: the next start of `mosaicast up` or the api takes that away"
    yield Finding("rights", not loose, sentence if loose else "only its owner can read the data folder")


def _outbox(stores: Stores) -> Iterator[Finding]:
    if stores.storage is None:
        return
    waiting = stores.storage.count_waiting()
    sentence = f"{waiting} changes wait to be told to the other parts: does the api run, and does its Kafka answer?"
    yield Finding("outbox", not waiting, sentence if waiting else "all changes were told to the other parts")


def _belongs(stores: Stores) -> Iterator[Finding]:
    if stores.vault is None:
        return
    sentence = (
        "the photos belong to another database: restore that one, or name the right MOSAICAST_DATABASE__URL; if this "
        "database is the right one, `mosaicast doctor --bind-vault`; until then nothing is written or erased there"
    )
    refuses = stores.refuses
    yield Finding("vault", not refuses, sentence if refuses else "the photos belong to this database")


def _former_gallery(stores: Stores) -> Iterator[Finding]:
    former = stores.settings.former_gallery_path
    if stores.settings.qdrant.url is not None or not former.exists():
        return
    yield Finding(
        "gallery",
        False,
        f"templates of an earlier version lie in {former}: the next start of the api takes them over; what it "
        "can't read it names in its log and leaves there, and nobody of that owner can be erased until you delete it: "
        "`mosaicast reindex --all` makes these templates again",
    )


def _people(stores: Stores) -> Iterator[Finding]:
    if any(trouble.check == "database" for trouble in stores.troubles):
        return  # without it everybody would look like an orphan
    found = stores.differences
    gallery_orphans = tuple(sorted(f"{owner}/{person}" for owner, person in found.gallery_orphans))
    erase = "`mosaicast doctor --erase-orphans` erases them"
    yield _counted("photos", "kept of nobody that the database knows", tuple(sorted(found.vault_orphans)), erase)
    yield _counted("templates", "kept of nobody that the database knows", gallery_orphans, erase)
    yield _counted(
        "photos", "missing of enrolled people", tuple(sorted(found.without_photos)), "enroll them again some day"
    )
    yield _counted(
        "templates",
        "missing of enrolled people, who are masked",
        tuple(sorted(found.without_templates)),
        "`mosaicast reindex --all` makes them again",
    )
    yield _counted("erasing", "left of people who are being erased", tuple(sorted(found.unfinished)), "the api goes on")


def _networks(stores: Stores) -> Iterator[Finding]:
    try:
        require_chosen(stores.settings)
    except ModelError as exc:
        yield Finding("networks", False, str(exc))
    else:
        yield Finding("networks", True, "the networks of the settings are here, each with its checksum")


CHECKS: dict[str, Callable[[Stores], Iterator[Finding]]] = {
    "networks": _networks,
    "rights": _rights,
    "outbox": _outbox,
    "vault": _belongs,
    "gallery": _former_gallery,
    "people": _people,
}


def _counted(check: str, what: str, ids: tuple[str, ...], remedy: str) -> Finding:
    return Finding(check, not ids, f"{len(ids)} {what}; {remedy}" if ids else f"none {what}", ids)


def _storage(settings: Settings) -> Storage | None:
    file = settings.data_dir / "mosaicast.db"
    if settings.database.url is None and not file.exists():
        return None
    storage = Storage(settings.database.url or f"sqlite:///{file}")
    storage.require_current()
    return storage


def _vault(settings: Settings) -> Vault | None:
    folder = settings.data_dir / "vault"
    if not folder.is_dir():
        return None
    if not settings.vault_key and not settings.vault_key_path.exists():
        raise VaultError(f"{settings.vault_key_path} is missing, and MOSAICAST_VAULT__KEY is not set")
    return Vault(folder, read_key(settings.vault_key, settings.vault_key_path))


def bind_vault(stores: Stores, ask: Ask) -> None:
    """Take the vault for this database's, if it is another's.

    Raises:
        DoctorError: there is nothing that could be bound.
        StorageError, VaultError: it failed.
    """
    if stores.storage is None or stores.vault is None:
        raise DoctorError("there is no database or no vault that could be bound; see `mosaicast doctor`")
    if stores.refuses:
        ask(f"Take the photos of {len(stores.vault.people())} people for this database's?")
        bind(stores.storage, stores.vault, force=True)
        err.print("bound; restart the api", markup=False)


def erase_orphans(stores: Stores, ask: Ask) -> None:
    """Erase photos and templates of whom the database does not know.

    Raises:
        DoctorError: it can't be told who that is.
        StorageError, GalleryUnavailable, VaultError: not all could be erased.
    """
    if stores.storage is None:
        raise DoctorError("without the database everybody looks like an orphan: nothing is erased")
    if stores.refuses:
        raise DoctorError("the photos belong to another database, so that all look like orphans: nothing is erased")
    found = stores.differences
    if not (found.vault_orphans or found.gallery_orphans):
        return
    photos, templates = len(found.vault_orphans), len(found.gallery_orphans)
    ask(f"Erase photos of {photos} and templates of {templates} people, for good?")
    for person_id in sorted(found.vault_orphans):
        if stores.vault is not None:
            stores.vault.erase(person_id)
    for owner, person_id in sorted(found.gallery_orphans):
        stores.gallery.erase_person(owner, person_id)
    err.print(f"erased photos of {photos} and templates of {templates} people", markup=False)
