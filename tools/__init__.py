"""What developers run: it writes files that are committed."""
