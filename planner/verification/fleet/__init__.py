"""The independent checker of fleet plans."""
