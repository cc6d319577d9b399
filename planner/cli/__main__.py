"""`python -m planner.cli` is `planner`."""

from planner.cli import main

if __name__ == "__main__":
    main()
