"""HTTP APIs, one file for each service."""
