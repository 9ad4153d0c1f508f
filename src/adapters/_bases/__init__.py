"""What every door shares: the error tree, the retry policy, the HTTP and ClickHouse clients."""
