"""CoinMarketCap prices into the table ``crypto_prices``."""

from __future__ import annotations

from loaders.spooled_loader import SpooledLoader


class CoinMarketCapLoader(SpooledLoader):
    """Stores CoinMarketCap prices, one row for each (symbol, Tehran hour).

    ``ensure_ready()`` makes the database, the table, its views and the table of holes if they are missing.

    ``load(rows)`` writes the rows to the spool, then upserts them by key. A new key is inserted. A stored key with
    other values is updated in place, except for ``fetched_at``, which stays that of the key's first price, and
    ``cmc_rank``, which a row without a rank leaves as it is. A stored key with the same values is left alone. Rows that
    earlier runs left in the spool are stored first.

    Both methods are idempotent, and raise what `SpooledLoader` and its `keep` raise.
    """
