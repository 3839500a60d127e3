"""The bot in a process of its own, and what can be seen of it from outside: its messages, its database, its log."""
