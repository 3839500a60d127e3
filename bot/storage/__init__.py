"""What the bot keeps in its database."""
