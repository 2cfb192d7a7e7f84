"""Sound as it comes: none, late, ending, another codec, without its header."""

from tests.e2e.field.inputs import media
from tests.e2e.field.playing import PLAIN
from tests.e2e.field.rows import Row, in_step

ROWS: tuple[Row, ...] = (
    Row("plain", PLAIN, shows=in_step),
    Row("without sound", media(sound=None), tracks={"video"}, browser="chromium"),
)
