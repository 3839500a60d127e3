"""Discord's Markdown: what it draws, how a model's own Markdown becomes it, and where it can be cut.

Models write GitHub's Markdown. Discord's client draws something else: it knows code blocks of three backticks only, no
tables, headings of three levels, spoilers and small text, and its styles reach across lines and even code blocks.
"""
