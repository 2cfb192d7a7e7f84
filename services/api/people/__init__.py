"""Enrolled people: from photos to templates, and what is kept of them."""
