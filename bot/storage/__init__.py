"""The bot's database: conversations, personas and accepted questions."""
