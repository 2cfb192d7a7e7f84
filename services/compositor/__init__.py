"""The compositor: decodes, delays, masks, encodes and pushes each stream."""
