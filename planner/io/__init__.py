"""Files into problems, every mistake with its place; and the one place that writes results."""
