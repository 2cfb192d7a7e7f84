"""Which vault belongs to which database, and where database, vault and gallery disagree."""

import pytest

from mosaicast.core.holdings import Enrolled, binding, compare


@pytest.mark.parametrize(
    ("vault_id", "database_id", "in_vault", "in_database", "expected"),
    [
        (None, None, set(), set(), "bind"),  # a new installation
        (None, None, set(), {"ann"}, "bind"),  # the photos were lost: nothing can be lost any more
        (None, None, {"ann", "ben"}, {"ann"}, "bind"),  # an installation of before, with something left behind
        (None, None, {"ann"}, set(), "refuse"),  # an empty database
        (None, None, {"ann"}, {"zoe"}, "refuse"),  # another one
        ("v", None, {"ann"}, {"ann", "ben"}, "bind"),  # a backup of before the binding, or a crash in between
        ("v", None, {"ann"}, set(), "refuse"),
        ("v", None, {"ann"}, {"zoe"}, "refuse"),
        ("v", None, set(), {"zoe"}, "bind"),
        (None, "v", {"ann"}, {"ann"}, "bind"),
        (None, "v", {"ann"}, set(), "refuse"),
        (None, "v", set(), {"ann"}, "refuse"),  # its volume is not mounted: erasing would spare the photos there
        (None, "v", set(), set(), "bind"),
        ("v", "v", {"ann"}, set(), "bound"),
        ("v", "v", {"ann"}, {"zoe"}, "bound"),
        ("v", "w", {"ann"}, {"ann"}, "refuse"),
        ("v", "w", set(), set(), "refuse"),
    ],
)
def test_binding(
    vault_id: str | None, database_id: str | None, in_vault: set[str], in_database: set[str], expected: str
) -> None:
    assert binding(vault_id, database_id, in_vault, in_database) == expected


def person(owner: str = "town", *, photos: bool = True, templates: bool = True, kept: bool = True) -> Enrolled:
    return Enrolled(owner, photos, templates, kept)


def test_nothing_differs_from_nothing() -> None:
    assert not compare(set(), set(), {}).any


def test_where_everything_is_nothing_differs() -> None:
    found = compare({"ann", "ben"}, {("town", "ann"), ("town", "ben")}, {"ann": person(), "ben": person()})
    assert not found.any
    assert set(found.counts.values()) == {0}


def test_every_difference_is_found() -> None:
    people = {
        "ann": person(),
        "moved": person("village"),
        "bare": person(photos=False, templates=False),
        "leaving": person(kept=False),
    }
    found = compare({"ghost", "moved"}, {("town", "ghost"), ("town", "moved")}, people)
    assert found.vault_orphans == {"ghost"}
    assert found.gallery_orphans == {("town", "ghost"), ("town", "moved")}, "another owner's is nobody's"
    assert found.without_photos == {"ann"}
    assert found.without_templates == {"ann", "moved"}
    assert found.unfinished == {"leaving"}
    assert found.any
