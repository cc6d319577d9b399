"""Infeasible instances: what stands in the way, and the smallest changes that suffice."""
