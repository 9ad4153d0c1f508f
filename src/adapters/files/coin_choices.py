"""Which coin is meant by which symbol, kept on disk so that it never changes silently."""

from __future__ import annotations

from adapters.files.choices import Choices


class CoinChoices(Choices[int]):
    """A JSON file of symbol to CoinMarketCap id, ``{"BTC": 1, "ETH": 1027}``, that people may edit."""

    what = "coins"
    remedy = "restore the file, or write the coins' ids into SYMBOLS (such as BTC:1) and move the file away"

    def read(self, value: object) -> int | None:
        """The id; None for what is none."""
        return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None

    def written(self, choice: int) -> object:
        """The id itself."""
        return choice
