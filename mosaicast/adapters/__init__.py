"""One library each; a library's errors end here and become ours."""

import sys

# `import openvino` reports itself to its maker by this package, where it is installed. We leave it out of our lock files;
# where another installer brought it along, it is not there for this process: OpenVINO then does without.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
