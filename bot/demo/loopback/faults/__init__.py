"""Faults that a test injects: into REST calls, into the gateway's events, and outages of both."""
