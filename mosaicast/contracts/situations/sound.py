"""Situations of the sound that is sent. Its pictures go on in all of them."""

from mosaicast.contracts.situations.base import Situation

NOT_LET_IN = Situation(
    "live",
    "No sound: it is {codec}, which is not among the codecs that are let in; send AAC, or have the operator add it to "
    "{setting}.",
    "Choose AAC in the encoder ([sources](../operations.md#what-sources-may-be)).",
)
NO_HEADER = Situation(
    "live",
    "No sound: its AAC comes without the header (AudioSpecificConfig) that says its rate and channels; publish anew, "
    "or use an encoder that sends it at the start.",
    "Without it nothing can be decoded, and a guess would be noise. OBS and ffmpeg send it.",
)
UNDECODABLE = Situation(
    "live",
    "No sound: the {codec} that comes can't be decoded; send AAC.",
    "It is damaged, or not what it says it is.",
)
OTHER_CLOCK = Situation(
    "live",
    "The clock of the sound is {seconds} s {side} the picture's; sound is heard as it arrives.",
    "Times of sound and picture are so far apart that they can't be of one clock. What arrives together is heard "
    "together. Let one encoder time both, or mend its time stamps.",
)
ASTRAY = Situation(
    "live",
    "No sound: its times are far from those of the pictures; use one clock for both.",
    "Of a file: nothing in it says which sound belongs to which picture.",
)
