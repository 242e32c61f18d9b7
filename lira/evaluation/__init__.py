"""Numbers from scores: thresholds, rates, their uncertainty, and whether runs agree."""
