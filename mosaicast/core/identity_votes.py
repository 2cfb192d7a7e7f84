"""For whom one embedding of a face speaks, by what the networks found alike."""

import math
from collections.abc import Collection, Sequence

from mosaicast.core.identity_events import Match
from mosaicast.core.types import PersonId


def ranked(matches: Sequence[Match]) -> list[Match]:
    """Return matches with a number for a similarity, best first."""
    numbers = (match for match in matches if math.isfinite(match.similarity))
    return sorted(numbers, key=lambda match: -match.similarity)


def speaks_for(matches: Sequence[Match], people: Collection[PersonId], needed: float, margin: float) -> PersonId | None:
    """Return whom an embedding speaks for, None if for nobody.

    Args:
        matches: of the first network, best first.
        people: who may be seen.
        needed: lowest similarity.
        margin: over the second-best person.
    """
    if not matches or matches[0].similarity < needed:
        return None
    if matches[0].person_id not in people:
        return None  # in the gallery, but not to be seen here or not any more
    second = next((m.similarity for m in matches if m.person_id != matches[0].person_id), -math.inf)
    return matches[0].person_id if matches[0].similarity - second >= margin else None


def agrees(person: PersonId, second: Sequence[Match] | None, needed: float) -> bool | None:
    """Return whether the second network names the same person; None: it did not answer."""
    if second is None:
        return None
    best = max(second, key=lambda match: match.similarity, default=None)
    # NaN compares as false.
    return best is not None and best.person_id == person and best.similarity >= needed


def names_another(matches: Sequence[Match], person: PersonId | None, needed: float) -> bool:
    """Return whether an embedding is most like somebody else, and enough, also if that person may not be seen here."""
    return bool(matches) and matches[0].person_id != person and matches[0].similarity >= needed
