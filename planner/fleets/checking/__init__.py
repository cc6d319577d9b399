"""Checking: a fleet's plan recomputed from the question and the offers alone."""
