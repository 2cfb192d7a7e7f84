"""Whether the broker lets us in. librdkafka tries a wrong password for ever; this tells it in one sentence."""

from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException

from mosaicast.adapters.kafka.errors import BusError
from mosaicast.runtime.clocks import monotonic_s
from mosaicast.runtime.logs import get_logger

PATIENCE_S = 10.0
"""A broker that is just starting may refuse for a moment whom it lets in later."""
_PROBE_S = 1.0

_log = get_logger(__name__)

_LOGIN = "the broker refuses the user or the password: check MOSAICAST_KAFKA__SASL_USERNAME and __SASL_PASSWORD"
_WAY = "the broker takes no such log-in: check MOSAICAST_KAFKA__SASL_MECHANISM, __SECURITY_PROTOCOL and __BOOTSTRAP"
_AUTHORITY = (
    "the broker's certificate is not signed by the authority in MOSAICAST_KAFKA__SSL_CA_LOCATION, or is for another "
    "name than MOSAICAST_KAFKA__BOOTSTRAP says"
)
_OURS = "the broker wants another certificate of ours: check MOSAICAST_KAFKA__SSL_CERTIFICATE_LOCATION"
_TLS = "no TLS with the broker: check MOSAICAST_KAFKA__SECURITY_PROTOCOL and the port in __BOOTSTRAP"


class Refusals:
    """What the broker said against one client; `note` is the client's `error_cb`."""

    def __init__(self, now_s: Callable[[], float] = monotonic_s) -> None:
        self._now_s = now_s
        self._text = ""
        self._first_s = self._last_s = 0.0
        self.said = ""
        """The newest refusal, also one that seems to be over: librdkafka tells the same one only now and then."""

    def note(self, error: KafkaError) -> None:
        """Take in an error that librdkafka tells beside its answers."""
        text = refusal(error)
        if text is None:
            _log.debug("client_error", error=error.name())
            return
        self.said = text
        if text != self._text:
            _log.error("broker_refused", error=text)
            self._text, self._first_s = text, self._now_s()
        self._last_s = self._now_s()

    def check(self, probe: Callable[[float], object], patience_s: float | None = None) -> None:
        """Do nothing while we are let in, or may be soon.

        Args:
            probe: asks the broker anything, within so many seconds; KafkaException: it does not answer.
            patience_s: None: PATIENCE_S.

        Raises:
            BusError: we have been refused for `patience_s`, and still are.
        """
        now_s, patience_s = self._now_s(), PATIENCE_S if patience_s is None else patience_s
        if not self._text or now_s - self._first_s < patience_s:
            return
        text, self._text = self._text, ""
        if now_s - self._last_s > patience_s:
            return  # it came to an end by itself
        try:
            probe(_PROBE_S)
        except KafkaException as exc:
            raise BusError(text, fault="operator", retry=False) from exc


def refusal(error: KafkaError) -> str | None:
    """Return what an error of a connection says about our settings; None: nothing.

    librdkafka has a code for a refused log-in, and for most of TLS; the rest is in its texts (checked with 2.16).
    """
    text = error.str()
    if error.code() == KafkaError._AUTHENTICATION:
        return _WAY if "mechanism handshake" in text else _LOGIN
    if "certificate verify failed" in text:
        return _AUTHORITY
    if "tls alert" in text:
        return _OURS
    if error.code() == KafkaError._SSL or "SSL handshake failed" in text:
        return _TLS
    return None
