"""People in the database: names, verdicts on photos, consents. No picture and no vector."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from mosaicast.adapters.database.base import Mark, page, rows
from mosaicast.adapters.database.models import ConsentRow, PersonRow, PhotoRow, StreamRow
from mosaicast.adapters.database.outbox import OutboxTables, put
from mosaicast.contracts.topics import GALLERY, STREAMS
from mosaicast.core.consents import NEVER_MS, StreamConsent, visible_until

PersonState = Literal["enrolling", "kept", "erasing"]
"""Only who is `kept` may be seen. Rows come before pictures and templates and go after them."""
KEPT, ADDING, GIVEN_UP = "ok", "adding", "given_up"
"""Verdicts of pictures: all of it is in the vault; it is being added to a person who is kept; that was given up, and
what the vault has of it is erased before the row."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo of an enrollment and its verdict."""

    file: str
    verdict: str
    photo_id: str | None = None
    """Of a good one: under which it is kept."""

    @property
    def kept(self) -> bool:
        """Whether all of it is in the vault, and templates are made of it."""
        return self.photo_id is not None and self.verdict == KEPT


@dataclass(frozen=True, slots=True)
class Person:
    """An enrolled person."""

    person_id: str
    owner_id: str
    name: str
    created_ms: int
    photos: tuple[Photo, ...] = ()
    expires_ms: int | None = None
    """End of the consent, wall milliseconds; None: none was set."""
    consents: Mapping[str, StreamConsent] | None = None
    """By stream, where something was said about one."""
    templates: str = ""
    """Of which networks the templates are; see `Storage.note_templates`."""
    state: PersonState = "kept"


class PeopleTables(OutboxTables):
    """The people's part of the storage."""

    def create_person(self, person: Person) -> None:
        """Add a person with the verdicts on the photos."""
        with self._session() as session:
            session.add(
                PersonRow(
                    id=person.person_id,
                    owner_id=person.owner_id,
                    name=person.name,
                    created_ms=person.created_ms,
                    expires_ms=person.expires_ms,
                    templates=person.templates,
                    state=person.state,
                )
            )
            session.flush()
            _add_photos(session, person.person_id, person.photos)
            if person.state == "kept":
                _must_tell(session, person.owner_id)

    def keep_person(self, person_id: str, templates: str) -> bool:
        """Note that all of an enrollment is kept: from now on the person may be seen; False: it was given up."""
        with self._session() as session:
            enrolling = update(PersonRow).where(PersonRow.id == person_id, PersonRow.state == "enrolling")
            if not rows(session.execute(enrolling.values(state="kept", templates=templates))):
                return False
            _must_tell_about(session, person_id)
        return True

    def begin_erasing(self, person_id: str) -> bool:
        """End all consents of a person, for good: only `delete_person` can follow. False: there is no such person."""
        with self._session() as session:
            changed = update(PersonRow).where(PersonRow.id == person_id)
            if not rows(session.execute(changed.values(state="erasing", expires_ms=NEVER_MS))):
                return False
            session.execute(delete(ConsentRow).where(ConsentRow.person_id == person_id))
            _must_tell_about(session, person_id)
        return True

    def begin_adding(self, person_id: str, photos: Iterable[Photo]) -> bool:
        """Note pictures that are about to be kept, with the verdict `ADDING`; False: nobody of that id is kept."""
        with self._session() as session:
            person = session.get(PersonRow, person_id, with_for_update=True)
            if person is None or person.state != "kept":
                return False
            _add_photos(session, person_id, photos)
        return True

    def end_adding(self, person_id: str, photo_ids: Collection[str]) -> bool:
        """Note that these pictures are in the vault, all of them, and that the person's templates are to be made again.

        False: they were given up meanwhile, or the person is being erased. Nothing is noted then.
        """
        with self._session() as session:
            person = session.get(PersonRow, person_id, with_for_update=True)
            adding = _adding(person_id, photo_ids)
            count = session.scalar(select(func.count()).select_from(PhotoRow).where(*adding))
            if person is None or person.state != "kept" or count != len(photo_ids):
                return False
            session.execute(update(PhotoRow).where(*adding).values(verdict=KEPT))
            person.templates = ""
        return True

    def give_up_adding(self, person_id: str, photo_ids: Collection[str]) -> None:
        """Note that pictures which are not kept yet never will be; erase them in the vault, then forget them."""
        with self._session() as session:
            session.execute(update(PhotoRow).where(*_adding(person_id, photo_ids)).values(verdict=GIVEN_UP))

    def forget_given_up(self, person_id: str) -> None:
        """Forget the pictures of a person that were given up and are erased."""
        with self._session() as session:
            session.execute(delete(PhotoRow).where(PhotoRow.person_id == person_id, PhotoRow.verdict == GIVEN_UP))

    def adding(self) -> list[Person]:
        """Return everybody to whom pictures are being added, or of whom some are given up."""
        with self._session() as session:
            some = select(PhotoRow.person_id).where(PhotoRow.verdict.in_((ADDING, GIVEN_UP)))
            query = select(PersonRow).where(PersonRow.id.in_(some))
            return _people(session, session.scalars(query))

    def unfinished(self) -> list[Person]:
        """Return everybody who is being enrolled or erased."""
        with self._session() as session:
            return _people(session, session.scalars(select(PersonRow).where(PersonRow.state != "kept")))

    def everybody(self) -> list[Person]:
        """Return all people of all owners."""
        with self._session() as session:
            owners = list(session.scalars(select(PersonRow.owner_id).distinct()))
        return [person for owner in sorted(owners) for person in self.people(owner)]

    def people(self, owner_id: str, after: Mark | None = None, limit: int | None = None) -> list[Person]:
        """Return an owner's people, oldest first; all, or at most `limit` of those after a place in the list."""
        of_owner = select(PersonRow).where(PersonRow.owner_id == owner_id)
        with self._session() as session:
            query = page(of_owner, PersonRow.created_ms, PersonRow.id, after, limit)
            return _people(session, session.scalars(query).all())

    def person(self, person_id: str) -> Person | None:
        """Return a person."""
        with self._session() as session:
            row = session.get(PersonRow, person_id)
            return _people(session, [row])[0] if row else None

    def names(self, person_ids: Collection[str]) -> dict[str, str]:
        """Return the names of those of these people who are enrolled."""
        with self._session() as session:
            query = select(PersonRow.id, PersonRow.name).where(PersonRow.id.in_(person_ids))
            return {row.id: row.name for row in session.execute(query)}

    def count_people(self, owner_id: str) -> int:
        """Return how many people an owner has."""
        with self._session() as session:
            return session.scalar(select(func.count()).where(PersonRow.owner_id == owner_id)) or 0

    def people_without(self, templates: str) -> list[str]:
        """Return the ids of all who are kept and whose templates are of other networks than these, oldest first."""
        with self._session() as session:
            query = select(PersonRow.id).where(PersonRow.templates != templates, PersonRow.state == "kept")
            return list(session.scalars(query.order_by(PersonRow.created_ms, PersonRow.id)))

    def waiting_by_owner(self, templates: str) -> dict[str, int]:
        """Return how many people of each owner are kept and have templates of other networks than these."""
        with self._session() as session:
            waiting = select(PersonRow.owner_id, func.count()).where(
                PersonRow.templates != templates, PersonRow.state == "kept"
            )
            rows_ = session.execute(waiting.group_by(PersonRow.owner_id)).all()
        return {owner: int(count) for owner, count in rows_}

    def people_ids(self) -> frozenset[str]:
        """Return the ids of everybody."""
        with self._session() as session:
            return frozenset(session.scalars(select(PersonRow.id)))

    def note_templates(self, person_id: str, templates: str) -> bool:
        """Note of which networks a person's templates are now; False: there is no such person."""
        return self._change_person(person_id, templates=templates)

    def rename_person(self, person_id: str, name: str) -> bool:
        """Change the name; False: there is no such person."""
        return self._change_person(person_id, name=name)

    def set_expiry(self, person_id: str, expires_ms: int | None) -> bool:
        """Set the end of a person's consent; False: there is no such person, or it is being erased."""
        with self._session() as session:
            changed = update(PersonRow).where(PersonRow.id == person_id, PersonRow.state != "erasing")
            if not rows(session.execute(changed.values(expires_ms=expires_ms))):
                return False
            _must_tell_about(session, person_id)
        return True

    def delete_person(self, person_id: str) -> bool:
        """Delete a person; False: there is none."""
        with self._session() as session:
            _must_tell_about(session, person_id)
            return bool(rows(session.execute(delete(PersonRow).where(PersonRow.id == person_id))))

    def people_changed(self, owner_id: str) -> None:
        """Note that an owner's people, or who of them may be seen, must be told, as a new revision of the streams."""
        with self._session() as session:
            _must_tell(session, owner_id)

    def set_consent(self, person_id: str, stream_id: str, consent: StreamConsent) -> bool:
        """Note what a person said about one stream; False: there is no such person or stream."""
        row = ConsentRow(
            person_id=person_id, stream_id=stream_id, allowed=consent.allowed, expires_ms=consent.expires_ms
        )
        try:
            with self._session() as session:
                session.merge(row)
                _must_tell_about(session, person_id)
        except IntegrityError:
            return False
        return True

    def delete_consent(self, person_id: str, stream_id: str) -> bool:
        """Forget what a person said about one stream; False: nothing was said."""
        with self._session() as session:
            query = delete(ConsentRow).where(ConsentRow.person_id == person_id, ConsentRow.stream_id == stream_id)
            deleted = bool(rows(session.execute(query)))
            if deleted:
                _must_tell_about(session, person_id)
            return deleted

    def visible_people(self, owner_id: str, stream_id: str, now_ms: int) -> dict[str, int]:
        """Return until when (wall milliseconds) each of an owner's people may be seen on a stream.

        Whoever may not be seen at `now_ms` is not in it. See `core.consents.visible_until`.
        """
        with self._session() as session:
            query = (
                select(PersonRow.id, PersonRow.expires_ms, ConsentRow.allowed, ConsentRow.expires_ms)
                .outerjoin(ConsentRow, (ConsentRow.person_id == PersonRow.id) & (ConsentRow.stream_id == stream_id))
                .where(PersonRow.owner_id == owner_id, PersonRow.state == "kept")
                .order_by(PersonRow.id)
            )
            found = session.execute(query).all()
        until = {
            person_id: visible_until(own_ms, None if allowed is None else StreamConsent(allowed, stream_ms))
            for person_id, own_ms, allowed, stream_ms in found
        }
        return {person_id: until_ms for person_id, until_ms in until.items() if until_ms > now_ms}

    def owners_with_an_end(self, after_ms: int, until_ms: int) -> frozenset[str]:
        """Return whose people have a consent that ends after the one moment and not after the other."""
        with self._session() as session:
            whole = select(PersonRow.owner_id).where(PersonRow.expires_ms > after_ms, PersonRow.expires_ms <= until_ms)
            of_stream = (
                select(PersonRow.owner_id)
                .join(ConsentRow, ConsentRow.person_id == PersonRow.id)
                .where(ConsentRow.expires_ms > after_ms, ConsentRow.expires_ms <= until_ms)
            )
            return frozenset(session.scalars(whole.union(of_stream)))

    def next_end_ms(self, after_ms: int) -> int | None:
        """Return when the next consent ends; None: none does."""
        with self._session() as session:
            ends = [
                session.scalar(select(func.min(column)).where(column > after_ms))
                for column in (PersonRow.expires_ms, ConsentRow.expires_ms)
            ]
        return min((end for end in ends if end is not None), default=None)

    def _change_person(self, person_id: str, **values: object) -> bool:
        with self._session() as session:
            return bool(rows(session.execute(update(PersonRow).where(PersonRow.id == person_id).values(**values))))


def _add_photos(session: Session, person_id: str, photos: Iterable[Photo]) -> None:
    for photo in photos:
        session.add(
            PhotoRow(person_id=person_id, file=photo.file[:255], verdict=photo.verdict, photo_id=photo.photo_id)
        )


def _adding(person_id: str, photo_ids: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    return PhotoRow.person_id == person_id, PhotoRow.photo_id.in_(photo_ids), PhotoRow.verdict == ADDING


def _people(session: Session, found: Iterable[PersonRow]) -> list[Person]:
    """Return people with their photos and consents, in three queries however many they are."""
    people = list(found)
    ids = [row.id for row in people]
    photos: dict[str, list[Photo]] = {own: [] for own in ids}
    for photo in session.scalars(select(PhotoRow).where(PhotoRow.person_id.in_(ids)).order_by(PhotoRow.id)):
        photos[photo.person_id].append(Photo(photo.file, photo.verdict, photo.photo_id))
    consents: dict[str, dict[str, StreamConsent]] = {own: {} for own in ids}
    for row in session.scalars(select(ConsentRow).where(ConsentRow.person_id.in_(ids)).order_by(ConsentRow.stream_id)):
        consents[row.person_id][row.stream_id] = StreamConsent(row.allowed, row.expires_ms)
    return [
        Person(
            person_id=row.id,
            owner_id=row.owner_id,
            name=row.name,
            created_ms=row.created_ms,
            photos=tuple(photos[row.id]),
            expires_ms=row.expires_ms,
            consents=consents[row.id],
            templates=row.templates,
            state=cast("PersonState", row.state),
        )
        for row in people
    ]


def _must_tell_about(session: Session, person_id: str) -> None:
    owner_id = session.scalar(select(PersonRow.owner_id).where(PersonRow.id == person_id))
    if owner_id is not None:
        _must_tell(session, owner_id)


def _must_tell(session: Session, owner_id: str) -> None:
    """Raise the revision of an owner's streams, because their people changed, and note that all of it must be told."""
    of_owner = StreamRow.owner_id == owner_id
    session.execute(update(StreamRow).where(of_owner).values(revision=StreamRow.revision + 1))
    put(session, STREAMS.name, session.scalars(select(StreamRow.id).where(of_owner)))
    put(session, GALLERY.name, [owner_id])
