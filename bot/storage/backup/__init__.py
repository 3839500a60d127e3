"""Backups: one file for either database, made while the bot runs, and restored into either.

backup.zip
    tables/turns.jsonl     one row a line, a JSON list; `row_encoding` says how values are written
    …
    manifest.json          the tables' columns, row counts and SHA-256, the migration, and where the backup is from
"""
