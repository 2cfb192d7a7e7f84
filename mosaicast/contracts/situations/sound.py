"""Situations of the sound that is sent."""

from mosaicast.contracts.situations.base import Situation

NO_SOUND = Situation(
    "live", "No sound: {codec} can't go out over RTMP; send AAC.", "Choose AAC in the encoder; the picture goes on."
)
