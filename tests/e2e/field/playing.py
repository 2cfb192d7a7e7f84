"""Plays rows of the table on one product; tests/e2e/beside.py has several play at once."""

import threading
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from synthetic.publisher import Publisher
from synthetic.session import Session
from tests.e2e.field.browsers import page_of
from tests.e2e.field.inputs import media
from tests.e2e.field.rows import Live, Row, watching
from tests.e2e.flv_publisher import TagPublisher, in_real_time
from tests.flv_tags import read_tags


class Field:
    """Plays rows, several at once.

    Args:
        session: whose product.
        folder: for inputs.
    """

    def __init__(self, session: Session, folder: Path) -> None:
        self._session, self._folder = session, folder
        self._inputs: dict[int, Path] = {}
        self._making = threading.Lock()

    def play(self, row: Row) -> Live:
        """Play a row and return what was seen of it."""
        stream = self._session.create(row.name, owner="field")
        live, watchers = watching(self._session, stream, self._folder)
        try:
            with ExitStack() as stack:
                for watcher in watchers:
                    stack.enter_context(watcher)
                live.publisher = stack.enter_context(self._publisher(row, live))
                self._see(row, live)
                if row.during is not None:
                    row.during(live)
        finally:
            self._session.api.delete(f"/v1/streams/{stream.stream_id}")
        return live

    def _see(self, row: Row, live: Live) -> None:
        if row.tracks:
            live.until(lambda: len(live.rtmp.pictures) >= row.pictures, f"{row.pictures} pictures")
            live.until(lambda: live.hls_watch.count >= row.segments, f"{row.segments} segments")
            live.until(lambda: live.rtmp.tracks >= row.tracks, f"{sorted(row.tracks)}")
        live.until(lambda: live.said(row.state, row.sentence), f"{row.state}: {row.sentence}")
        if row.browser:
            live.page = page_of(live, row.browser, row.looks)

    def _publisher(self, row: Row, live: Live) -> AbstractContextManager[Any]:
        path = self._input(row)
        if row.publish is not None:
            return row.publish(live, path)
        if row.edit is not None:
            return TagPublisher(row.edit(in_real_time(read_tags(path), 3)), live.url)
        return Publisher(path, live.url)

    def _input(self, row: Row) -> Path:
        with self._making:
            if id(row.media) not in self._inputs:
                path = self._folder / f"input-{len(self._inputs)}"
                row.media(path)
                self._inputs[id(row.media)] = path
            return self._inputs[id(row.media)]


PLAIN = media()
"""The input of rows whose subject is something else."""
