"""The database, on both of its kinds."""
