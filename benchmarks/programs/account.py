"""Runs a command and writes what the operating system says of it: wall seconds, peak kilobytes, exit code.

A small process of its own: on Linux a program's peak counts from that of the process that started it.
Arguments: the file to write to, then the command.
"""

import os
import sys
import time

if __name__ == "__main__":
    target, *command = sys.argv[1:]
    started = time.perf_counter()
    child = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - started
    with open(target, "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib would make this process larger
        file.write(f"{wall} {usage.ru_maxrss} {os.waitstatus_to_exitcode(status)}")
