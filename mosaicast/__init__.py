"""Mosaicast: live privacy masking. Unknown, late or broken means masked."""
