"""The deployments on offer to a fleet, as the arrays from which its models are built."""
