"""Models of a few MB with Phi-3's structure, for tests and for the suites that kill things."""
