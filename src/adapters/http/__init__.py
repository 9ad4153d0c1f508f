"""Doors over HTTP, one file for each source."""
