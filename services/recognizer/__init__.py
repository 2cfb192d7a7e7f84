"""The recognizer: tracks faces, asks the gallery, and decides who may be seen."""
