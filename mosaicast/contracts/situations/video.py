"""Situations of the picture that is sent."""

from mosaicast.contracts.situations.base import Situation

UNREADABLE = Situation(
    "starting",
    "What the publisher sends can't be read.",
    "It is no FLV, or damaged. H.264 and AAC over RTMP are wanted.",
)
NO_VIDEO = Situation(
    "starting",
    "The source has no video track.",
    "Sound alone can't be masked: switch the camera on.",
)
NO_KEYFRAMES = Situation(
    "starting",
    "The source sends no keyframes; set a keyframe interval of 2 seconds in the encoder.",
    "As it says.",
)
DAMAGED_VIDEO = Situation(
    "starting", "The video is too damaged to be decoded.", "Loss on the way, or a broken encoder."
)
NOT_LET_IN = Situation(
    "refused",
    "The {what} of the source is {codec}, which is not among the codecs that are let in; the operator can add it to "
    "{setting}.",
    "Send H.264 and AAC. The operator can add others ([sources](../operations.md#what-sources-may-be)).",
)
UNKNOWN_CODEC = Situation("refused", "The video codec of the source is not supported.", "Send H.264.")
NO_PICTURE = Situation("refused", "No picture of the source can be decoded.", "The source is damaged or encrypted.")
TOO_LARGE = Situation(
    "refused", "The picture is {width} x {height}; the longest side is {limit}.", "Send a smaller picture."
)
TURNED = Situation(
    "refused",
    "The video is stored turned by a rotation tag, which is not supported yet.",
    "Encode it upright, for example with ffmpeg (it turns the picture by itself, unless told `-c copy`).",
)
REORDERED = Situation(
    "refused",
    "The source shows its frames more than 2 s after it sends them; use fewer B-frames.",
    "Switch B-frames off (x264: tune `zerolatency`).",
)
NO_TIMES = Situation(
    "refused", "The frames of the source carry no times.", "A broken encoder or an attack: use another encoder."
)
ABSURD_CLOCK = Situation(
    "refused", "The clock of the source makes no sense.", "A broken encoder or an attack: use another encoder."
)
ABSURD_CODEC_DATA = Situation(
    "refused",
    "The codec configuration of the source is too large.",
    "A broken encoder or an attack: use another encoder.",
)
TOO_MUCH_MEMORY = Situation(
    "refused", "The source takes more memory than one stream may use.", "Send a smaller picture."
)
