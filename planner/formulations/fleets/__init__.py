"""Parts of the formulations of fleets: what bounds them, and how their answers are read."""
