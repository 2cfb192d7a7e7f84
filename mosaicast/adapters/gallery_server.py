"""The gallery on a Qdrant server: one connection, made when it is needed, made anew after an error."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from qdrant_client import QdrantClient, models

from mosaicast.adapters.gallery_store import GalleryConfig, GalleryUnavailable, mapped


class Server:
    """A server. Thread-safe."""

    def __init__(self, config: GalleryConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._client: QdrantClient | None = None

    @contextmanager
    def open(self) -> Iterator[QdrantClient]:
        """Give the connected client. The collection exists.

        Raises:
            GalleryUnavailable: it can't be reached. If the caller meets that error, the next one connects anew.
        """
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            client = self._client
        try:
            yield client
        except GalleryUnavailable:
            self._drop(client)
            raise

    def check(self) -> bool:
        """Ask the server for the collection. Nothing of it is kept here, so nothing can be outdated.

        Raises:
            GalleryUnavailable: no answer, or the collection is gone; the next `open` makes it anew, empty.
        """
        with self.open() as client:
            if not mapped(lambda: client.collection_exists(self._config.collection)):
                raise GalleryUnavailable("no_collection")
        return False

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            client = self._client
        if client is not None:
            self._drop(client)

    def _drop(self, client: QdrantClient) -> None:
        with self._lock:
            if self._client is client:
                self._client = None
        with suppress(GalleryUnavailable):
            mapped(client.close)

    def _connect(self) -> QdrantClient:
        config = self._config
        client = mapped(
            lambda: QdrantClient(
                url=config.url,
                api_key=config.api_key,
                timeout=max(1, round(config.timeout_s)),
                check_compatibility=False,
            )
        )
        try:
            mapped(lambda: self._ensure(client))
        except GalleryUnavailable:
            with suppress(GalleryUnavailable):
                mapped(client.close)
            raise
        return client

    def _ensure(self, client: QdrantClient) -> None:
        name = self._config.collection
        if client.collection_exists(name):
            return
        try:
            client.create_collection(name, self._config.vectors)
        except Exception:
            # Another process may have been faster.
            if not client.collection_exists(name):
                raise
        tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
        client.create_payload_index(name, "owner", tenant)
