"""What is kept of people in three places, compared: the database says who is enrolled, vault and gallery hold them."""

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass
from typing import Literal

Binding = Literal["bound", "bind", "refuse"]


def binding(vault_id: str | None, database_id: str | None, in_vault: Set[str], in_database: Collection[str]) -> Binding:
    """Say whether a vault and a database belong together.

    Args:
        vault_id: which the vault bears; None: it was never bound.
        database_id: which the database names; None: none yet.
        in_vault: people of whom the vault has something.
        in_database: who is enrolled.

    Returns:
        `bound`: they do. `bind`: they shall from now on. The vault is empty, or has photos of people of this database
        (ids are random, so one photo is proof). `refuse`: it has another database's photos, and this one must not take
        them for left-overs.
    """
    if vault_id is not None and database_id is not None:
        return "bound" if vault_id == database_id else "refuse"
    if database_id is not None and in_database and not in_vault:
        return "refuse"  # its folder is away: a volume that is not mounted, say
    return "bind" if not in_vault or not in_vault.isdisjoint(in_database) else "refuse"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What the database says of a person."""

    owner: str
    photos: bool
    """Whether photos were kept."""
    templates: bool
    """Whether templates were made."""
    kept: bool
    """Neither being enrolled nor being erased."""


@dataclass(frozen=True, slots=True)
class Differences:
    """Where the three places disagree."""

    vault_orphans: frozenset[str] = frozenset()
    """People who have photos and whom the database does not know."""
    gallery_orphans: frozenset[tuple[str, str]] = frozenset()
    """Owner and person of templates that the database does not know."""
    without_photos: frozenset[str] = frozenset()
    """Enrolled, but their photos are gone: templates can't be made again."""
    without_templates: frozenset[str] = frozenset()
    """Enrolled, but masked: their templates are gone."""
    unfinished: frozenset[str] = frozenset()
    """Being enrolled or erased."""

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return any(self.counts.values())

    @property
    def counts(self) -> dict[str, int]:
        """How many of each, for a log."""
        return {
            "vault_orphans": len(self.vault_orphans),
            "gallery_orphans": len(self.gallery_orphans),
            "without_photos": len(self.without_photos),
            "without_templates": len(self.without_templates),
            "unfinished": len(self.unfinished),
        }


def compare(in_vault: Set[str], in_gallery: Set[tuple[str, str]], people: Mapping[str, Enrolled]) -> Differences:
    """Compare what was read of the vault, then of the gallery, then of the database.

    The order matters: a person's row comes first and goes last, so nobody who is enrolled meanwhile is an orphan.

    Args:
        in_gallery: owner and person.
        people: by id.
    """
    known = {(person.owner, person_id) for person_id, person in people.items()}
    kept = {person_id: person for person_id, person in people.items() if person.kept}
    with_templates = {person_id for _, person_id in in_gallery & known}
    return Differences(
        vault_orphans=frozenset(in_vault - people.keys()),
        gallery_orphans=frozenset(in_gallery - known),
        without_photos=frozenset(own for own, person in kept.items() if person.photos and own not in in_vault),
        without_templates=frozenset(own for own, p in kept.items() if p.templates and own not in with_templates),
        unfinished=frozenset(people.keys() - kept.keys()),
    )
