"""Sentences about several photos, which name them. Pure."""

from collections.abc import Sequence

_LONGEST_NAME = 100
_MOST_NAMES = 10
_DISAGREE = {
    2: "the two photos do not show the same person; send photos of one person only",
    3: "the photos do not show one person: no two of them are alike; send photos of one person only",
}


def listed(names: Sequence[str]) -> str:
    """Return names as people list them: `a, b and c`; of many, the first and how many more."""
    short = [name[:_LONGEST_NAME] for name in names]
    if len(short) > _MOST_NAMES:
        return f"{', '.join(short[:_MOST_NAMES])} and {len(short) - _MOST_NAMES} more"
    return " and ".join([", ".join(short[:-1]), short[-1]] if len(short) > 1 else short)


def too_many(most: int, faults: Sequence[tuple[str, str]], sent: Sequence[str]) -> str:
    """Return which photos to leave out of too many.

    Args:
        most: how many are taken.
        faults: those of the first that can't be used, with their verdicts.
        sent: names of all, in order; more than `most`.
    """
    excess = len(sent) - most
    useless = [f"{name[:_LONGEST_NAME]} ({verdict})" for name, verdict in faults[:excess]]
    last = sent[len(sent) - (excess - len(useless)) :]
    what = "which can't be used" if not last else "the useless and the last" if useless else "the last"
    return f"at most {most} photos, and these are {len(sent)}; leave out {listed([*useless, *last])}, {what}"


def disagreeing(groups: Sequence[Sequence[str]]) -> str:
    """Return why nobody is enrolled from photos that show several people.

    Args:
        groups: names of those that agree, the largest first; the first two are as large.
    """
    if len(groups[0]) == 1:
        return _DISAGREE[min(3, len(groups))]
    tied = [listed(group) for group in groups if len(group) == len(groups[0])]
    sides = ", ".join([f"{tied[0]} show one person", *(f"{other} another" for other in tied[1:])])
    return f"the photos do not show one person: {sides}; send photos of one person only"
