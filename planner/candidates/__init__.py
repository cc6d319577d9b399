"""Every deployment of an instance with its numbers, and which of them are worth a solver's time."""
