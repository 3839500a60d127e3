"""Our own continuous batching, on OpenVINO's paged attention."""
