"""Pure rules: normalized rows to storable rows, and Tehran time. No I/O, no clock."""
