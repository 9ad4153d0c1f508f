"""A local CoinMarketCap stand-in over real HTTP, for the demo and the tests."""
