"""Situations that the api tells of by itself, and those of who publishes."""

from mosaicast.contracts.situations.base import Situation

NOBODY = Situation("waiting", "Nobody is publishing.", "Start your publisher, with this stream's key.")
ON_ITS_WAY = Situation(
    "starting", "The stream is starting; its first pictures are on their way.", "Wait: it takes a few seconds."
)
INGEST_SILENT = Situation(
    "starting",
    "The service that reads the source (ingest) does not report.",
    "It is not there, or does not reach the broker: see `ingest.log`. `mosaicast up` starts what ends.",
)
COMPOSITOR_SILENT = Situation(
    "starting",
    "The service that masks (compositor) does not report.",
    "It is not there, or does not reach the broker: see `compositor.log`. `mosaicast up` starts what ends.",
)
WELL = Situation("live", "", "Nothing: all is well, and no sentence is shown.")
SECOND_PUBLISHER = Situation(
    "live",
    "Somebody else tried to publish with this stream's key and was refused: somebody publishes already.",
    "Was it you, from a second encoder? If not, somebody knows the key: `mosaicast streams key STREAM_ID` makes "
    "another, and cuts off who publishes. `refused` in the status says from which address.",
)
CANNOT_BE_SHOWN = Situation(
    "refused", "What is published can't be read or masked.", "See `ingest.log` for the reason; send H.264 and AAC."
)
