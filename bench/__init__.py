"""Reproducible measurements against peers and floors."""
