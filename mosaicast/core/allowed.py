"""Which media a source may be: names of codecs and containers, as FFmpeg calls them."""

from dataclasses import dataclass

LONGEST_SIDE = 8192
"""Of a picture, pixels. H.264's highest level ends here; larger is a mistake or an attack on our memory."""

LIVE_CODECS = "h264,aac,mp3,speex,opus,ac3,eac3,pcm_s16le,pcm_u8,pcm_alaw,pcm_mulaw"
"""What RTMP was made for, what OBS and phones send, and all sound that encoders put into FLV: without its decoder a
stream is silent. Not HEVC, AV1, VP9 (enhanced RTMP): three more decoders that strangers could attack, for what few
send; an operator adds them by name."""
SAYS_ITS_HEADER_ONCE = frozenset({"hevc"})
"""Codecs of live sources of which nothing can be decoded without what the publisher sends at the start alone. An edge
that keeps it for later readers (nginx-rtmp does for H.264 and AAC) keeps none of these."""
FILE_CODECS = (
    "h264,hevc,av1,vp8,vp9,mpeg4,mpeg2video,mpeg1video,mjpeg,prores,dnxhd,theora,h263,flv1,msmpeg4v3,wmv3,vc1,png,webp,"
    "bmp,aac,mp3,mp2,opus,vorbis,flac,alac,ac3,eac3,speex,amr_nb,amr_wb,wmav2,pcm_s16le,pcm_s16be,pcm_s24le,pcm_f32le,"
    "pcm_u8,pcm_mulaw,pcm_alaw"
)
"""What cameras, phones, editors and the web make. The operator chooses the files."""
FILE_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,flv,avi,mpegts,mpeg,ogg,asf,mxf,ivf,h264,hevc,av1,mjpeg,"
    "jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,image2"
)
"""Containers that a file may be. Not: playlists and scripts (hls, concat, dash), which make FFmpeg open other files."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What one kind of source may be. Picklable."""

    codecs: frozenset[str]
    """Names of codecs, not of the decoders that FFmpeg has for them: `av1`, not `libdav1d`."""
    formats: tuple[str, ...]
    codecs_setting: str
    """What an operator sets to allow more."""

    @classmethod
    def live(cls, codecs: str = LIVE_CODECS) -> "Allowed":
        """Return what a live source may be: FLV, with these codecs (commas between)."""
        return cls(frozenset(codecs.split(",")), ("flv", "live_flv"), "MOSAICAST_MEDIA__LIVE_CODECS")

    @classmethod
    def file(cls, codecs: str = FILE_CODECS, formats: str = FILE_FORMATS) -> "Allowed":
        """Return what a file may be."""
        return cls(frozenset(codecs.split(",")), tuple(formats.split(",")), "MOSAICAST_MEDIA__FILE_CODECS")
