"""Launch commands: what is typed to run a plan."""
