"""A Discord chat bot that talks through Phi-3, run with OpenVINO."""

import sys

# `import openvino` reports to Google Analytics (https://github.com/openvinotoolkit/telemetry), and so does NNCF. Where
# this package is missing, both go on without it; here it only seems to be.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # how Python notes a module that cannot be imported
