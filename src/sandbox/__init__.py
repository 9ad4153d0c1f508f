"""Local doubles of CoinMarketCap and Binance over real HTTP, for the demo and the tests."""
