"""Local stand-ins for CoinMarketCap and Binance over real HTTP, for the demo and the tests."""
