"""Servers that speak OpenAI's completions protocol: installed from PyPI, and run on this machine."""
