"""The one error of this layer."""


class ContractError(Exception):
    """Bytes that are not the message they should be, or a message that may not be sent.

    The producer is at fault; trying again does not help. `reason` is a short code fit for a metric label;
    the text never holds content of the message.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
