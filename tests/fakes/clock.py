"""Time that moves by hand."""


class Clock:
    """Seconds that stand still until a test moves them; `now_ms` reads the same in milliseconds."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    def now_ms(self) -> int:
        """Return the time in milliseconds, as clocks of the wall do."""
        return round(self.now_s * 1000)
