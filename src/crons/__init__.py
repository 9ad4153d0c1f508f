"""Jobs, their registry and the command line that cron calls."""
