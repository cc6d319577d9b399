"""What the planner can say beyond one plan: frontiers, estimates, sweeps, explanations, stress."""
