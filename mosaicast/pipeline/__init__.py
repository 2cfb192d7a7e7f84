"""Source, analyse, decide, paint, sink: plain parts without clocks, processes and queues. Live adds those.

What a part needs of a library is a port (`pipeline.ports`) that an adapter fits. Whoever drives the parts says what
time it is, in media time or another.
"""
