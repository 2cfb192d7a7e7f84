"""What somebody sent instead of a photo that we read, by its first bytes: so that the answer can name it. Pure."""

READ = "JPEG, PNG, WebP, HEIC or AVIF"
"""What we ask for. TIFF and BMP are read too; nobody need be sent there."""
RAW = "a camera's raw file can't be read"
_NO_PHOTO = f"this is no photo that can be read; send one as {READ}"
BROKEN = "the file is broken, or not all of it is there"
_TIFF = (b"II*\0", b"MM\0*")
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis"})
_VIDEO_BRANDS = frozenset({b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"qt  ", b"M4V ", b"avc1"})
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "GIF pictures can't be read"),
    (b"%PDF", "a PDF can't be read"),
    (b"8BPS", "a Photoshop file can't be read"),
    (b"\xff\x0a", "a JPEG XL picture can't be read"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture can't be read"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture can't be read"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture can't be read"),
    (b"FUJIFILMCCD-RAW", RAW),
    (b"IIRO", RAW),
    (b"IIU\0", RAW),
    (b"\x1a\x45\xdf\xa3", "a video can't be read"),
)
"""The beginning of a file, and what it is."""


def what_it_is(data: bytes) -> str:
    """Return a sentence on a file that is no photo, naming it where that helps."""
    if data[4:8] == b"ftyp":
        return _boxed(data[8:12])
    if data.startswith(_TIFF):
        return BROKEN  # what a TIFF holds is said at its end
    named = next((what for start, what in _OTHERS if data.startswith(start)), None)
    if named is not None:
        return instead(named)
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<svg") or (start.startswith((b"<?xml", b"<!doctype svg")) and b"<svg" in start):
        return instead("an SVG is a drawing")
    return _NO_PHOTO


def instead(what: str) -> str:
    """Return what to send in place of something that is named."""
    return f"{what}; send a photo as {READ}"


def _boxed(brand: bytes) -> str:
    """Name a file of the ISO family (ISO/IEC 14496-12) by its brand."""
    if brand in _HEIF_BRANDS:
        return "this HEIC or AVIF can't be read; send a JPEG (iPhone: Settings, Camera, Formats, Most Compatible)"
    if brand == b"crx ":
        return instead(RAW)
    return instead("a video can't be read") if brand in _VIDEO_BRANDS else _NO_PHOTO
