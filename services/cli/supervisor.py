"""Keeps one process running: a thread that starts it, waits for its end, and starts it again with back-off."""
