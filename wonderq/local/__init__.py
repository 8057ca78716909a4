"""Queues that one process owns, in memory or in an SQLite file."""
