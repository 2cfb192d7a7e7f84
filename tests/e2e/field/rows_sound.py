"""Sound as it comes: none, late, ending, another codec, without its header, changing, on another clock."""

from tests.e2e.field.inputs import AAC, later, media, without
from tests.e2e.field.playing import PLAIN
from tests.e2e.field.rows import Live, Row, in_step
from tests.e2e.field.sounds import as_it_is, on_another_clock, turning_into, without_headers
from tests.flv_tags import SOUND

LONGEST_GAP_S = 2.0
"""Between two pictures: they never wait for sound."""


def smooth(live: Live) -> None:
    """Pictures come one after the other, and sound is in step with them.

    A busy machine loses a picture or a packet of sound now and then, which moves one flash or one beep: so three of
    four have to be in step.
    """
    for who, recording in (("rtmp", live.rtmp), ("hls", live.hls)):
        offsets_s = sorted(map(abs, recording.offsets_s))
        assert len(offsets_s) >= 3, f"{who}: flashes and beeps"
        assert offsets_s[len(offsets_s) * 3 // 4] <= IN_STEP_S, f"{who}: {recording.offsets_s}"
    assert live.rtmp.in_order()
    assert live.rtmp.longest_gap_s < LONGEST_GAP_S, live.summary()


def of(codec: str, *options: str) -> tuple[str, ...]:
    return ("-c:a", codec, *options)


def clock_note(words: str) -> str:
    return f"The clock of the sound is {words} the picture's; sound is heard as it arrives\\."


IN_STEP_S = 0.04 + 0.02
"""As far as sound may be from its picture, and as exact as the meter is."""

ROWS: tuple[Row, ...] = (
    Row("plain", PLAIN, shows=in_step),
    Row("without sound", media(sound=None), tracks={"video"}, browser="chromium"),
    Row("sound 3 s late", PLAIN, edit=lambda timed: later(timed, SOUND, 3.0), pictures=120, shows=in_step),
    Row(
        "sound that ends and comes back",
        PLAIN,
        edit=lambda timed: without(timed, SOUND, 6.0, 12.0),
        pictures=220,
        segments=8,
        shows=smooth,
    ),
    Row("MP3", media(sound=of("libmp3lame", "-ar", "44100")), pictures=80, shows=smooth, browser="chromium"),
    Row("MP3 of 22 kHz, mono", media(sound=of("libmp3lame", "-ar", "22050", "-ac", "1")), pictures=80, shows=smooth),
    Row("PCM", media(sound=of("pcm_s16le", "-ar", "44100")), pictures=80, shows=smooth),
    Row("G.711, A-law", media(sound=of("pcm_alaw", "-ar", "8000", "-ac", "1")), pictures=80, shows=smooth),
    Row("G.711, mu-law", media(sound=of("pcm_mulaw", "-ar", "8000", "-ac", "1")), pictures=80, shows=smooth),
    Row(
        "Opus over enhanced RTMP",
        media(sound=of("libopus", "-ar", "48000")),
        pictures=80,
        shows=smooth,
    ),
    Row(
        "AC-3 over enhanced RTMP",
        media(sound=of("ac3", "-ar", "48000")),
        pictures=80,
        shows=smooth,
    ),
    Row(
        "ADPCM, which is not let in",
        media(sound=of("adpcm_swf", "-ar", "22050")),
        tracks={"video"},
        sentence="No sound: it is adpcm_swf, which is not among the codecs that are let in; send AAC, .*",
    ),
    Row(
        "AAC without its header",
        PLAIN,
        edit=without_headers,
        tracks={"video"},
        sentence="No sound: its AAC comes without the header .*",
    ),
    Row(
        "AAC whose rate and channels change",
        turning_into(media(sound=AAC), media(sound=of("aac", "-ar", "48000", "-ac", "1")), 8.0),
        edit=as_it_is,
        pictures=160,
        segments=6,
        shows=smooth,
    ),
    Row(
        "AAC that becomes MP3",
        turning_into(media(sound=AAC), media(sound=of("libmp3lame", "-ar", "44100")), 8.0),
        edit=as_it_is,
        pictures=160,
        segments=6,
        shows=smooth,
    ),
    Row(
        "sound a minute ahead",
        PLAIN,
        edit=lambda timed: on_another_clock(timed, 60.0),
        pictures=120,
        sentence=clock_note("60 s ahead of"),
        shows=smooth,
    ),
    Row(
        "sound an hour ahead",
        PLAIN,
        edit=lambda timed: on_another_clock(timed, 3600.0),
        pictures=120,
        sentence=clock_note("3600 s ahead of"),
        shows=smooth,
    ),
    Row(
        "sound 5 s behind",
        PLAIN,
        edit=lambda timed: on_another_clock(timed, -5.0),
        pictures=120,
        sentence=clock_note("5 s behind"),
        shows=smooth,
    ),
)
