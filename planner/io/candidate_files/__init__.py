"""CSV files of measured or tabulated deployments, joined with a fleet by name."""
