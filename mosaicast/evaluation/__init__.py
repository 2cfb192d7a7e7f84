"""How good the models are: curves and thresholds. Pure; needs the extra `calibrate`."""
