"""The api's database: see storage.py."""
