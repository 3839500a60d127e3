"""Servers on other machines that speak OpenAI's completions protocol, as an engine."""
