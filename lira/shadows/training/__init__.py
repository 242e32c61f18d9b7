"""Training of shadow models, many at a time."""
