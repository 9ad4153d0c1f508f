"""What the runs of a pipeline have in common: the steps between its doors."""
