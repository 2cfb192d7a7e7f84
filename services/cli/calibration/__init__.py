"""What `mosaicast calibrate` is made of."""
