"""The checks, one file for each room of the bot."""
