"""The doors to the outside world, built from Settings for whoever stands at the top."""
