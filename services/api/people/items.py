"""What the vault keeps of a person, by name."""

WHOLE = "whole"
"""Item of the vault: all of the person's enrollment was kept. A copy of the database that was made in between does not
know that, and takes it for cut off."""


def photo_item(photo_id: str) -> str:
    """Return the name in the vault of what is kept of a photo."""
    return f"{photo_id}-photo"


def thumbnail_item(photo_id: str) -> str:
    """Return the name in the vault of the aligned face."""
    return f"{photo_id}-thumbnail"
