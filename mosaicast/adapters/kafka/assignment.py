"""Which partition numbers a consumer owns, when several topics are read side by side. Pure."""

from collections.abc import Iterable, Sequence


class CoPartitions:
    """Partition numbers that are held for every one of the topics.

    A group may hand over the partitions of two topics one after the other; a number counts only while all topics
    have it, because half of a stream's topics decides nothing.
    """

    def __init__(self, topics: Sequence[str]) -> None:
        self._held: dict[str, set[int]] = {topic: set() for topic in topics}

    @property
    def complete(self) -> frozenset[int]:
        """Numbers held for all topics."""
        return frozenset(set.intersection(*self._held.values()))

    def add(self, partitions: Iterable[tuple[str, int]]) -> frozenset[int]:
        """Take partitions (topic, number); return the numbers that became complete."""
        before = self.complete
        for topic, number in partitions:
            self._held[topic].add(number)
        return self.complete - before

    def remove(self, partitions: Iterable[tuple[str, int]]) -> frozenset[int]:
        """Give partitions (topic, number) back; return the numbers that are no longer complete."""
        before = self.complete
        for topic, number in partitions:
            self._held[topic].discard(number)
        return before - self.complete

    def halves(self) -> list[tuple[str, int]]:
        """Return partitions held for some topics only."""
        complete = self.complete
        return [(topic, number) for topic, held in self._held.items() for number in sorted(held - complete)]

    def clear(self) -> frozenset[int]:
        """Give all back; return the numbers that were complete."""
        before = self.complete
        for held in self._held.values():
            held.clear()
        return before
