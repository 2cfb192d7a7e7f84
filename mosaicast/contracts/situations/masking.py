"""Situations of masking, and of what goes out."""

from mosaicast.contracts.situations.base import Situation

GUARD_TRIPPED = Situation(
    "live",
    "A face without a mask was seen in the masked picture, so all of it is mosaicked for two seconds.",
    "The [output guard](../operations.md#the-output-guard). If nobody was shown, it is a false alarm; `guard_tripped` "
    "in `compositor.log` says where it looked.",
)
NO_DETECTION = Situation(
    "live",
    "Faces can't be looked for in the pictures of this stream, so all of it is mosaicked.",
    "See `detector.log`; if it lasts, please report it.",
)
MAKING_TEMPLATES = Situation(
    "live",
    "Templates of {people} enrolled people are being made for the face networks of today; who has none yet is masked.",
    "The networks changed. It takes a second a person and goes by itself, also after a restart; `mosaicast reindex` "
    "shows how far it is. Of whom no kept photo can be used, `mosaicast status` names the id.",
)
EDGE_REFUSES = Situation(
    "starting",
    "The media server does not take the masked stream; trying again.",
    "Is the edge up (`edge.log`), and does the machine have time?",
)
EDGE_SILENT = Situation(
    "starting",
    "The media server does not answer the compositor; trying again.",
    "Is the edge up (`edge.log`), and does the machine have time?",
)
MASKING_QUARANTINED = Situation(
    "quarantined",
    "The masked picture could not be made: it crashed five times in a minute.",
    "Publish anew, with another encoder. `compositor.log` says how the child ended; please report it "
    "([SECURITY.md](../../SECURITY.md)).",
)
HLS_FAILS = Situation(
    "live",
    "HLS pauses: its folder can't be written ({why}); RTMP goes on.",
    "Make room in `hls/` ([HLS on disk](../operations.md#hls-on-disk)). It is tried again by itself.",
)
HLS_SLOW = Situation(
    "live",
    "HLS pauses: its disk is too slow; RTMP goes on.",
    "Give `hls/` a faster disk ([HLS on disk](../operations.md#hls-on-disk)). It is tried again by itself.",
)
HLS_EDGE_FAILS = Situation(
    "live",
    "HLS pauses: its edge does not take it ({why}); RTMP goes on.",
    "HLS goes to an edge on another machine ([what goes wrong there](../how-to/second-edge.md#what-goes-wrong)). It is "
    "tried again by itself.",
)
HLS_EDGE_SLOW = Situation(
    "live",
    "HLS pauses: the way to its edge is too slow; RTMP goes on.",
    "HLS goes to an edge on another machine ([what goes wrong there](../how-to/second-edge.md#what-goes-wrong)): the "
    "way there needs as much bandwidth as the streams together. It is tried again by itself.",
)
