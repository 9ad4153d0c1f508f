"""Doors to ClickHouse, one repository for each source."""
