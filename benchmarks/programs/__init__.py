"""Programs that are measured beside ours, each run as a process of its own."""
