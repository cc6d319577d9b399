"""Files of a fleet: what they say and where, and what in them makes no sense."""
