"""Which pair each symbol means, as the settings say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters._bases.errors import ConfigurationError
from configurations.binance import BinanceSettings
from configurations.config import load_own_settings


def load(folder: Path, text: str) -> BinanceSettings:
    """The settings of a ``.env``, in an environment without any."""
    (folder / ".env").write_text(text)
    return load_own_settings(BinanceSettings, folder / ".env", {})


def test_each_symbol_has_its_pair_with_usdt(tmp_path: Path) -> None:
    """Unless told otherwise, also for a symbol with CoinMarketCap's id; USDT has none with itself."""
    assert load(tmp_path, "").pairs == {"BTC": "BTCUSDT", "ETH": "ETHUSDT", "SOL": "SOLUSDT"}
    assert load(tmp_path, "SYMBOLS=BTC:1,USDT").pairs == {"BTC": "BTCUSDT"}


def test_a_pair_overrides_that_of_its_symbol_alone(tmp_path: Path) -> None:
    """The others keep theirs; so USDT can have one."""
    settings = load(tmp_path, "SYMBOLS=BTC,ETH,USDT\nBINANCE_PAIRS= eth:ETHBTC , USDT:USDTTRY")
    assert settings.pairs == {"BTC": "BTCUSDT", "ETH": "ETHBTC", "USDT": "USDTTRY"}


def test_a_symbol_can_be_left_out(tmp_path: Path) -> None:
    """One that Binance does not trade, and whose price is wanted of CoinMarketCap alone: no pair behind the colon."""
    assert load(tmp_path, "SYMBOLS=BTC,XMR\nBINANCE_PAIRS=XMR:").pairs == {"BTC": "BTCUSDT"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("BTC", "'BTC' is not a symbol with its pair at Binance, such as BTC:BTCUSDT"),
        ("BTC:btcusdt", "is not a symbol with its pair"),
        ("BTC:BTCUSDT,BTC:BTCUSDC", "named more than once: BTC"),
        ("DOGE:DOGEUSDT", "not among SYMBOLS: DOGE; what is followed stands there"),
    ],
)
def test_a_wrong_list_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    """With the variable's name, and where it stands."""
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, f"BINANCE_PAIRS={text}")
    assert refused.value.message.startswith("BINANCE_PAIRS: ")
    assert words in refused.value.message
    assert refused.value.next_step.startswith("correct line 1 of ")


def test_wrong_symbols_are_named_once(tmp_path: Path) -> None:
    """The pairs cannot be judged then, and are not."""
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, "SYMBOLS=,\nBINANCE_PAIRS=BTC:BTCUSDT")
    assert refused.value.message.startswith("SYMBOLS: ")
    assert "BINANCE_PAIRS" not in refused.value.message


def test_some_of_them(tmp_path: Path) -> None:
    """Only those that are named, each with its own pair; one without a pair is refused."""
    settings = load(tmp_path, "SYMBOLS=BTC,ETH,USDT\nBINANCE_PAIRS=ETH:ETHBTC")
    assert settings.only(["ETH"]).pairs == {"ETH": "ETHBTC"}
    with pytest.raises(ConfigurationError, match="USDT not among"):
        settings.only(["USDT"])
