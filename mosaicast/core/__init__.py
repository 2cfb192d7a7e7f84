"""The pure core: stdlib and numpy only; no I/O, no clock, no logging."""
