"""The gallery of enrolled faces: see qdrant.py."""
