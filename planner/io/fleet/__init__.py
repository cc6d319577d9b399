"""A fleet's YAML and the CSV tables beside it, and what they may hold."""
