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
BEGINNING_MISSED = Situation(
    "starting",
    "The {codec} video began before we listened, and its encoder tells only at the start how to decode it; stop "
    "publishing and start anew.",
    "Ingest was away when it began, and nobody else had read it. H.264 and AV1 go on by themselves.",
)
FRAMES_TOO_LARGE = Situation(
    "live",
    "A frame of the source is larger than can be passed on; set a lower bit rate or resolution in the encoder.",
    "More than 15.75 MiB in one encoded picture; it is left out, and all is mosaicked until the next keyframe.",
)
KEYFRAMES_TOO_LARGE = Situation(
    "starting",
    "The keyframes of the source are larger than can be passed on; set a lower bit rate or resolution in the encoder.",
    "More than 15.75 MiB in one encoded picture; nothing is seen until a smaller keyframe comes.",
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
    "The video is stored turned by a tag, and can't be turned upright.",
    "Its tag names an angle that is no quarter of a turn. Encode it upright.",
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
