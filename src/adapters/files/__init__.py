"""Doors to the local disk: what must outlive a process."""
