"""A publisher whose clock goes back, again and again."""

from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

from tests.e2e.flv_publisher import TagPublisher, Timed
from tests.flv_tags import Tag, read_tags


class SteppingPublisher(TagPublisher):
    """Publishes a clip in a loop, in real time; its clock goes back again and again.

    Args:
        clip: an FLV file.
        url: where to.
        every_s: how long the clock goes on between two steps.
        back_ms: how far it goes back, one after the other, for ever.
    """

    def __init__(self, clip: Path, url: str, *, every_s: float, back_ms: Sequence[int]) -> None:
        self._every_ms, self._back_ms = round(every_s * 1000), cycle(back_ms)
        self.steps = 0
        super().__init__(self._stepped(list(read_tags(clip))), url)

    def _stepped(self, tags: Sequence[Tag]) -> Iterator[Timed]:
        """Yield when each tag is due, with the time that the clock shows then."""
        length_ms = max(tag.at_ms for tag in tags) + 33
        next_step_ms, lag_ms, loop_ms = self._every_ms, 0, 0
        while True:
            for tag in tags:
                due_ms = loop_ms + tag.at_ms
                if loop_ms and not tag.at_ms and not tag.is_media:
                    continue
                if due_ms >= next_step_ms:
                    lag_ms += next(self._back_ms)
                    next_step_ms += self._every_ms
                    self.steps += 1
                yield Timed(due_ms / 1000, tag.at(max(0, due_ms - lag_ms)))
            loop_ms += length_ms
