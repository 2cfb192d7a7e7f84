"""The detector service: finds faces in sampled frames, and cuts them out for the recognizer."""
