"""What people send and what they watch with, as a table.

A row (`rows.Row`) is an input, what a viewer of RTMP and one of HLS get of it, what the state says meanwhile, and if
need be what the watch page plays. Rows stand in `rows_*.py`, by subject, each a tuple `ROWS`; tests/e2e/test_field.py
plays them, a few at a time on one product. To add one, add it there:

    Row("without sound", media(sound=None), tracks={"video"}),
    Row("sound 3 s late", media(), edit=lambda timed: later(timed, SOUND, 3.0), shows=in_step),

Inputs are small (256x144, 12 pictures a second): several run side by side on two cores. `media` flashes white and
beeps once a second, which a mosaic does not hide: `live.rtmp.offsets_s` is how far sound is from picture. A row ends as
soon as all that it wants was seen; a bound of time only says when to give up.
"""
