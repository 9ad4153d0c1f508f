"""The choices of coins and pairs on disk."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from adapters._bases.errors import StateError
from adapters.files.choices import KnownPair, coin_choices, pair_choices

BTCUSDT = KnownPair("BTCUSDT", "USDT", datetime(2017, 8, 17, 4, tzinfo=timezone.utc))


def test_pairs_of_earlier_releases_are_loaded(tmp_path: Path) -> None:
    """Their times have no seconds."""
    pair = {"pair": "BTCUSDT", "quote": "USDT", "listed": "2017-08-17T04:00Z"}
    (tmp_path / "pair_choices.json").write_text(json.dumps({"BTC": pair}))
    assert pair_choices(tmp_path).load() == {"BTC": BTCUSDT}


@pytest.mark.parametrize(
    "content",
    [b"", b'{"BTC": 1', b"[]", b'{"BTC": "1"}', b'{"BTC": true}', b'{"BTC": 0}', b"\xff\xfe\x00", b"[" * 99999],
)
def test_unreadable_file_is_not_taken_for_an_empty_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "coin_choices.json"
    path.write_bytes(content)
    with pytest.raises(StateError, match=r"coin_choices\.json") as caught:
        coin_choices(tmp_path).load()
    assert "SYMBOLS" in caught.value.next_step
    assert path.read_bytes() == content


def test_failed_save_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "coin_choices.json").mkdir()
    (tmp_path / "data").write_text("")
    for folder in (tmp_path, tmp_path / "data"):
        with pytest.raises(StateError):
            coin_choices(folder).save({"BTC": 1})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coin_choices.json", "data"]
