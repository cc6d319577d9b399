"""Batches: many instances into one CSV, on processes or a cluster, whatever happens on the way."""
