"""What the picture is coded with, and what it says of itself."""

from tests.e2e.field.rows import Row

ROWS: tuple[Row, ...] = ()
