"""What the status says of those who are refused, or send nothing."""

from tests.e2e.field.rows import Row

ROWS: tuple[Row, ...] = ()
