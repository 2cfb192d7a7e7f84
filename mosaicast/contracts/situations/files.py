"""Situations of files as sources."""

from mosaicast.contracts.situations.base import Situation

OVER = Situation("ended", "The file has been read to its end.", "Nothing.")
SLOW = Situation("starting", "Reading the file takes too long.", "The disk with the media folder is slow or away.")
NOT_NAMED = Situation(
    "refused", "The stream names no file.", "Make the stream anew, with a `path` below the media folder."
)
NAME_WRONG = Situation(
    "refused", "The name of the file is not valid.", "Make the stream anew, with a `path` below the media folder."
)
OUTSIDE = Situation(
    "refused",
    "The file lies outside of the media folder.",
    "Make the stream anew, with a `path` below the media folder.",
)
NO_MEDIA_FOLDER = Situation(
    "refused",
    "The operator has not set a media folder; files can't be read.",
    "`mosaicast up --media-dir FOLDER`, or `MOSAICAST_MEDIA_DIR`.",
)
ABSENT = Situation("refused", "The file does not exist.", "Mend the name, or put the file there.")
FORBIDDEN = Situation(
    "refused",
    "The file may not be read.",
    "Mend the rights: the user that runs Mosaicast must be able to read it.",
)
TOO_MUCH_MEMORY = Situation(
    "refused", "Reading the file takes more memory than one stream may use.", "Make its picture smaller."
)
DAMAGED = Situation("refused", "The file is damaged or is not a video.", "Convert it.")
NOT_LET_IN = Situation(
    "refused",
    "The file is damaged, is not a video, or its container is not among those that are let in; the operator can add "
    "one to MOSAICAST_MEDIA__FILE_FORMATS.",
    "Convert it, or have its container added.",
)
NO_VIDEO = Situation("refused", "The file has no video track.", "Sound alone can't be masked.")
NO_KEYFRAMES = Situation("refused", "The file has no keyframes where they are wanted: encode it anew.", "As it says.")
UNDECODABLE = Situation("refused", "The file is too damaged to be decoded.", "Encode it anew.")
