"""The attacks, which score every sample for every target."""
