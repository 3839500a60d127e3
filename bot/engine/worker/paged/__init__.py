"""Continuous batching of our own, over OpenVINO's paged attention."""
