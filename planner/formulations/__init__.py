"""What is best: one optimisation model per file, in Pyomo, with decisions that have names."""
