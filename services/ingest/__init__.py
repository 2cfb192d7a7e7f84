"""The ingest service: reads the sources of its streams, one child process for each."""
