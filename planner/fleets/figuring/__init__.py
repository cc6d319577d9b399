"""Figuring: what a fleet, its offers and its pools come to, as arrays to plan over."""
