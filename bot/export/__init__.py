"""The parts of scripts/export_model.py: from a checkpoint to a version that the bot may take up."""
