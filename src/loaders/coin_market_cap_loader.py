"""Prices into the table."""

from __future__ import annotations

from loaders.spooled_loader import SpooledLoader


class CoinMarketCapLoader(SpooledLoader):
    """Loads prices as every loader does, see `SpooledLoader`."""
