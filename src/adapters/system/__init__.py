"""Doors to the host: the user's crontab."""
