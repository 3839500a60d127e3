"""A Discord chat bot that talks through Phi-3, run with OpenVINO."""
