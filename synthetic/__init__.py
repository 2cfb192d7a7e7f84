"""A synthetic broadcast whose truth is known frame by frame, and the oracle that finds faces leaked from it."""
