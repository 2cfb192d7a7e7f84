"""Pixels in, pixels out: mask kernels, alignment, crops. No I/O."""
