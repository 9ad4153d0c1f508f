"""Storable rows into the table, once each."""
