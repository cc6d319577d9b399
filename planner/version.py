"""The version of the program, written into every plan."""

__version__ = "0.1.0"
