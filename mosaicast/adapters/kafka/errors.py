"""Errors of the message log. confluent-kafka's own errors end in these modules."""

from typing import Literal

from confluent_kafka import KafkaError, KafkaException

Fault = Literal["broker", "operator", "us"]

_OPERATOR = frozenset(
    {
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.INVALID_CONFIG,
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.POLICY_VIOLATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError._AUTHENTICATION,
        KafkaError._INVALID_ARG,
        KafkaError._SSL,
    }
)


class BusError(Exception):
    """The message log can't do what was asked.

    `fault` says who can change it: `broker` (away or ill), `operator` (settings, rights, installation), `us` (a bug).
    `retry` says whether the same call may succeed later by itself.
    """

    def __init__(self, text: str, *, fault: Fault, retry: bool) -> None:
        super().__init__(text)
        self.fault: Fault = fault
        self.retry = retry


def bus_error(error: KafkaError | KafkaException, doing: str) -> BusError:
    """Return our error for one of the library's; `doing` says what was tried."""
    cause: KafkaError = error.args[0] if isinstance(error, KafkaException) else error
    text = f"{doing}: {cause.name()}"
    if cause.code() == KafkaError._INVALID_ARG:
        text = f"{doing}: {cause.str()}"  # names the setting; a file that can't be read, a key's wrong password
    if cause.code() in _OPERATOR:
        return BusError(text, fault="operator", retry=False)
    # A fatal client (fenced, for instance) never works again, but its successor in a new process does.
    return BusError(text, fault="broker", retry=not cause.fatal())
