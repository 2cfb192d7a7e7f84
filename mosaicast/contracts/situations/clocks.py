"""Situations of clocks, delays and pauses."""
