"""Formulation F: a fleet as one mixed-integer program in Pyomo."""
