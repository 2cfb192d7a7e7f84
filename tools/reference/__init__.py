"""References that are made from the code: docs/reference/."""
