"""Candidates of a fleet: from files, or the planner's own, to the deployments on offer."""
