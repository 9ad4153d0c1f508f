"""Settings and logging: read at the top only (main, crons)."""
