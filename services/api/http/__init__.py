"""Requests and answers: routes, schemas, problems. See app.py."""
