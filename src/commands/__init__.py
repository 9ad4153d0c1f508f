"""What the operator asks for and no job does, one file a matter; `main` gives them their names and arguments."""
