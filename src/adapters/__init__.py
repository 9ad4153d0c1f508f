"""Doors to the outside world: the only I/O of the program."""
