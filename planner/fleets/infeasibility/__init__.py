"""Fleets that cannot be had: what stands in the way, and what would be enough."""
