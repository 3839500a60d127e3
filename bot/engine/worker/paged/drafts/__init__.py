"""Drafts the next tokens of answers, so that one step can check several."""
