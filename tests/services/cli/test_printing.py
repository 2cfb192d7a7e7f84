"""What commands print reaches whoever waits for it."""

import io
import json
import os
import sys

import pytest

from services.cli.printing import print_json


def test_json_is_there_for_a_program_that_reads_while_the_command_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """`mosaicast up --json | program`: Python keeps what goes into a pipe to itself, up to 8 KiB of it."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with open(reading, "rb") as reader, io.TextIOWrapper(open(writing, "wb")) as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        print_json({"api_url": "http://127.0.0.1:8000"})
        assert json.loads(reader.read()) == {"api_url": "http://127.0.0.1:8000"}
