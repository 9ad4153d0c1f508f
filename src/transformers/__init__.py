"""Pure rules: quotes to rows, missing hours, comparison. No I/O, no clock."""
