"""Clocks and ways: lag, jitter, stillness, time that jumps."""

from tests.e2e.field.rows import Row

ROWS: tuple[Row, ...] = ()
