"""Fleets: many workloads over mixed, scarce, priced pools through the day."""
