"""Settings for tests, independent of the environment and of ``.env``."""

from __future__ import annotations

import os
from pathlib import Path

from configurations.config import Settings, load_settings


def make_settings(**values: object) -> Settings:
    """The settings with these values, each as its variable would hold it; the others have their defaults."""
    return load_settings(Path(os.devnull), {name.upper(): str(value) for name, value in values.items()})
