"""Which calls to make, and a source's JSON as normalized rows."""
