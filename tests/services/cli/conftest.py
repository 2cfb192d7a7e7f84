"""What tests of commands share."""

import threading
from collections.abc import Iterator

import pytest

from tests.services.cli.fakes import Api


@pytest.fixture
def api() -> Iterator[Api]:
    server = Api()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
