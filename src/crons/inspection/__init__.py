"""What is stored, looked at for the operator: nothing here writes."""
