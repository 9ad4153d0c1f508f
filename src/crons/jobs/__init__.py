"""One file a job: extract, transform, load, and its backfill."""
