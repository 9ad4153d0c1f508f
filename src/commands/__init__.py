"""The commands, one file each: arguments, help and work. `main` lists them."""
