"""Doors to the outside world; nobody else does I/O to it."""
