"""The attacks: scores of every sample under every target."""
