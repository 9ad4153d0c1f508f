"""Store rows, each once."""
