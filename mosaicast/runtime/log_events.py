"""Every event that our own code logs, and what it means. docs/reference/logs.md is made from it."""

from collections.abc import Mapping
from typing import Literal, Protocol, Self

LogEvent = Literal[
    "adding_finished",
    "analysis_failed",
    "bad_message",
    "broker_refused",
    "bug",
    "cannot_go_on",
    "cannot_recognise",
    "child_ended",
    "children_held_back",
    "children_held_back_in_part",
    "client_error",
    "client_said",
    "consents_failed",
    "edge_silent",
    "embedding_worker_failed",
    "end_unknown",
    "enrollment_in_doubt",
    "enrollment_left_over",
    "epochs_unknown",
    "gallery_not_taken_over",
    "gallery_taken_over",
    "gallery_unavailable",
    "guard_tripped",
    "hls_off",
    "hls_store_failed",
    "leftover_erased",
    "leftovers_not_checked",
    "log_differed",
    "log_not_compared",
    "no_answer",
    "no_embedding",
    "numbers_jump",
    "others_not_told",
    "others_told",
    "outbox_failed",
    "outgoing_check_failed",
    "outgoing_not_checked",
    "owner_gallery_unavailable",
    "people_agree",
    "people_differ",
    "people_store_failed",
    "photo_unusable",
    "player_missing",
    "process_ended",
    "process_hangs",
    "process_not_started",
    "publisher_came",
    "publisher_lost",
    "publisher_refused",
    "publisher_went",
    "reading_failed",
    "reindex_failed",
    "rights_mended",
    "service_runs",
    "storage_failed",
    "stream_quarantined",
    "stream_state",
    "template_of_an_erased_person_left",
    "templates_lost",
    "templates_not_checked",
    "templates_renewed",
    "topics_lost",
    "topics_not_restored",
    "upkeep_failed",
    "vault_refuses",
    "waiting_for_broker",
    "worker_failed",
]

MEANINGS: Mapping[LogEvent, str] = {
    "adding_finished": "Adding pictures to a person was cut off. All of them are kept now (`kept`), or none.",
    "analysis_failed": "The detector failed on frames by a bug. Those streams are mosaicked for that time.",
    "bad_message": "A message of Kafka breaks the contract. It is left out.",
    "broker_refused": "The broker refuses for good: rights, a password or a certificate are wrong.",
    "bug": "A mistake of ours. `places` says where; the service goes on.",
    "cannot_go_on": "The service ends; `error` says why. It has to be started again.",
    "cannot_recognise": "A network of the recognizer is missing or broken. Everybody is masked.",
    "child_ended": "A compositor's child crashed or hung. Another one is started, unless it is quarantined.",
    "children_held_back": "Said at start: children have all the limits that we know of.",
    "children_held_back_in_part": "Said at start: the kernel lacks a limit for children; `missing` says which.",
    "client_error": "Kafka's client reports an error that it deals with itself.",
    "client_said": "A line of Kafka's client. `left_out` says how many like it were not logged.",
    "consents_failed": "The database failed while consents were checked. They are checked again.",
    "edge_silent": "The edge takes no masked stream. The compositor tries again.",
    "embedding_worker_failed": "The recognizer's worker ended by a bug. Everybody is masked.",
    "end_unknown": "The end of a partition is not known. The service reads on from where it is.",
    "enrollment_in_doubt": "An enrollment was cut off, and it is not known whether all of it was kept.",
    "enrollment_left_over": "A failed enrollment can't be erased now. It is erased later; nobody is shown by it.",
    "epochs_unknown": "Nobody told ingest which epochs were there before. It numbers new ones by the clock.",
    "gallery_not_taken_over": "Templates of the former gallery could not be taken over. They stay where they are.",
    "gallery_taken_over": "The templates of the former gallery lie in the new one now.",
    "gallery_unavailable": "The gallery does not answer the recognizer. Everybody is masked.",
    "guard_tripped": "A face that nothing explains went out. All of the stream is mosaicked for two seconds.",
    "hls_off": "Another compositor has the folder of HLS, or it can't be written. There is no HLS.",
    "hls_store_failed": "A file of HLS can't be written or deleted, here or on its edge. HLS pauses; RTMP goes on.",
    "leftover_erased": "What an interrupted enrollment or erasure had left is erased.",
    "leftovers_not_checked": "A store failed while leftovers were looked for. They are looked for again.",
    "log_differed": "Kafka and the database told different things of streams. What the database says was sent.",
    "log_not_compared": "Kafka could not be compared with the database. It is tried again.",
    "no_answer": "The detector has no answer for one frame. It is mosaicked.",
    "no_embedding": "The recognizer could not embed a face. It stays masked.",
    "numbers_jump": "A packet's number is further on than it may be. The frames between are booked as lost.",
    "others_not_told": "A change waits to be told to the other services. It is tried until it is told.",
    "others_told": "All changes that waited are told.",
    "outbox_failed": "The database failed while changes were told. It is tried again.",
    "outgoing_check_failed": "The detector failed on an outgoing picture by a bug.",
    "outgoing_not_checked": "The detector has no answer for an outgoing picture. The next one is checked.",
    "owner_gallery_unavailable": "The templates of one owner can't be read. That owner's people are masked.",
    "people_agree": "Database, vault and gallery know the same people.",
    "people_differ": "Database, vault and gallery know different people: run `mosaicast doctor`.",
    "people_store_failed": "A store of people failed during a request.",
    "photo_unusable": "No template can be made of a kept photo.",
    "player_missing": "hls.js is not there: only browsers that play HLS play the watch page. Run scripts/setup.",
    "process_ended": "A process of `mosaicast up` ended. It is started again.",
    "process_hangs": "A process of `mosaicast up` does not answer. It is killed and started again.",
    "process_not_started": "A process of `mosaicast up` can't be started. It is tried again.",
    "publisher_came": "Somebody publishes a stream.",
    "publisher_lost": "The edge no longer knows a publisher. The publication is ended.",
    "publisher_refused": "The edge turned a publisher away; `reason` says why, `address` from where. The same is told "
    "once a minute; `times`: how often it happened since the line before.",
    "publisher_went": "A publisher has gone.",
    "reading_failed": "Reading from Kafka failed. It is tried again.",
    "reindex_failed": "Making templates again failed.",
    "rights_mended": "Files of the data folder were readable for others; `detail` says what was done.",
    "service_runs": "The service has started.",
    "storage_failed": "The database failed during a request.",
    "stream_quarantined": "Reading a source crashed too often. It is left alone until it is published again.",
    "stream_state": "A stream stands otherwise than before: see `state` and `reason`.",
    "template_of_an_erased_person_left": "A template of an erased person could not be erased yet. It is tried again.",
    "templates_lost": "The gallery lost templates. They are made again from kept photos.",
    "templates_not_checked": "A store failed while templates were compared. They are compared again.",
    "templates_renewed": "People have no templates of the networks of today. They are made from kept photos.",
    "topics_lost": "Topics are missing in Kafka. They are made and filled again.",
    "topics_not_restored": "Missing topics could not be made. It is tried again.",
    "upkeep_failed": "The database or the edge failed while publishers were checked. They are checked again.",
    "vault_refuses": "The vault belongs to another database, or is damaged; `detail` says so. Nothing is erased.",
    "waiting_for_broker": "The broker does not answer yet. It is asked again.",
    "worker_failed": "A worker of the detector ended by an error. The service ends.",
}
"""A sentence or two for each event, for whoever reads the log."""


class Log(Protocol):
    """A logger that takes our events only.

    Fields: `stream`, `owner`, `person` are ids; `error` is a text of one of our errors; `exception` is the type of one
    whose text must not be logged, `places` where it was raised; `reason` is a word; `detail` and `help` are sentences.
    """

    def bind(self, **fields: object) -> Self:
        """Return a logger whose lines all have these fields."""

    def log(self, level: int, event: LogEvent, **fields: object) -> None:
        """Log with the standard library's number of a level."""

    def debug(self, event: LogEvent, **fields: object) -> None:
        """Log for those who look for a mistake."""

    def info(self, event: LogEvent, **fields: object) -> None:
        """Log what is as it should be."""

    def warning(self, event: LogEvent, **fields: object) -> None:
        """Log what should not be, and mends itself."""

    def error(self, event: LogEvent, **fields: object) -> None:
        """Log what somebody should see to."""

    def exception(self, event: LogEvent, **fields: object) -> None:
        """Log an error with the type and the places of the exception that is being handled."""
