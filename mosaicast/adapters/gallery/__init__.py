"""The gallery of enrolled faces, in Qdrant: see qdrant.py."""
