"""One library each; a library's errors end here and become ours."""

import sys

# `import openvino` reports itself to its maker by this package, where it is installed. Our lock files leave it out;
# where another installer brought it along, it is not there for this process, and OpenVINO does without.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
