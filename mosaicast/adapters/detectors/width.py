"""How large detectors look at pictures."""

WIDTH = 736
"""Width that a 16:9 picture is scaled to; other shapes get as many pixels, so every picture costs the same.

Measured with CenterFace at threshold 0.2 on faces in 720p (`bench/models.py`): at 640, 736 and 832 it covers 0.17, 0.46
and 0.71 of those 20 px high, 0.67, 0.83 and 0.96 of 24 px, 0.88, 1 and 1 of 32 px, in 19, 24 and 32 ms. What one look
misses the next may find, and the delay line holds a mask for 0.6 s; so 736 pays, and 832 is the operator's choice.
"""
