"""Exports models: from a checkpoint to a judged version that the bot switches to. `pipeline` gives the order."""
