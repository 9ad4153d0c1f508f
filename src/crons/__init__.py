"""Jobs, their registry and the command line that cron calls."""

MAIN_JOB = "cmc_hourly_prices"
"""The job that a command means which is given no name."""
