"""What the api does unasked: tells the others, heals, finishes what was cut off."""
