"""Situations of clocks, delays and pauses."""

from mosaicast.contracts.situations.base import Situation

LONGER_WAY = Situation(
    "live",
    "The way from the source has become longer: pictures are {behind} s behind it, not {set} s.",
    "The network between the publisher and us stalls, or is too narrow: a lower bitrate, a cable. Nothing is lost. The "
    "delay goes back by itself once the way is better, in twenty seconds for each second.",
)
STANDS_STILL = Situation(
    "live",
    "The source sends no pictures; the last one goes on.",
    "The publisher is connected and has sent nothing for 3 s: a slide, a frozen encoder, a network that hangs. Viewers "
    "see its last picture, as it was masked. The edge hangs up on a publisher who sends nothing at all for 30 s.",
)
