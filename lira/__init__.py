"""Honest evaluation of the LiRA membership inference attack, a module per step of the pipeline."""
