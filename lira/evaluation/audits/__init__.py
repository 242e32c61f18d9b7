"""The audit of one given model, attacked by shadow models that never were it."""
