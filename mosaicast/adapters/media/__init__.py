"""FFmpeg, JPEG, HLS files, photos. Empty: a child that opens photos is limited in memory, and imports what it needs."""
