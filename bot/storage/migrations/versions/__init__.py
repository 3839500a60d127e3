"""The versions that the tables went through, in the order of their numbers."""
