"""What the watch page plays, in which browser."""

from tests.e2e.field.rows import Row

ROWS: tuple[Row, ...] = ()
