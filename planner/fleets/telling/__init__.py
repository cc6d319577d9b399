"""Telling: the plan of a fleet, on the screen, in files and as pictures."""
