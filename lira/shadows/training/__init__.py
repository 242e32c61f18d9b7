"""Trains shadow models, many at a time."""
