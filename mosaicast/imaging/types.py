"""What pictures and landmarks are. Apart from what works on them, so that a process that only passes them on loads no
library of pictures."""

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""BGR [H, W, 3]."""
Landmarks = tuple[float, float, float, float, float, float, float, float, float, float]
"""x, y of left eye, right eye (as seen in the picture), nose tip, left and right corner of the mouth."""
