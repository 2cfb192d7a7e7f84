"""Situations of the way from the publisher to us."""

from mosaicast.contracts.situations.base import Situation

SENT_NOTHING = Situation(
    "starting",
    "The publisher has sent nothing readable yet.",
    "It is connected and sends nothing: is the camera on? Is the way to us wide enough?",
)
SILENT = Situation("starting", "The publisher sends nothing; waiting for it.", "The same, in the middle of a stream.")
STOPPED_SENDING = Situation(
    "starting", "The publisher has stopped sending; waiting for it.", "It ended, or its connection broke."
)
NOT_READY = Situation(
    "starting",
    "The media server does not have this stream yet.",
    "It has just come. If it stays so: the publisher is gone.",
)
EDGE_DOWN = Situation(
    "starting",
    "The media server does not answer.",
    "The edge (nginx) is down: see `edge.log`. `mosaicast up` starts it again.",
)
BROKEN = Situation(
    "starting",
    "The connection to the source broke; connecting again.",
    "Between edge and ingest. It heals; if it repeats, see `edge.log`.",
)
READING_FAILED = Situation(
    "starting",
    "Reading the source failed unexpectedly; trying again.",
    "The child that reads it crashed. Five times in a minute lead to quarantine.",
)
OVERTAKEN = Situation(
    "starting",
    "A newer reading of this stream is known; beginning another.",
    "Two instances of ingest read it, or a clock was set back. Once is nothing; every 10 s: do two stacks use one "
    "Kafka?",
)
READING_QUARANTINED = Situation(
    "quarantined",
    "Reading this source crashed too often, so it is left alone until it is published again.",
    "Hostile or very broken media. Publish anew, with another encoder. `ingest.log` says how the child ended; please "
    "report it ([SECURITY.md](../../SECURITY.md)).",
)
