"""What the terminal shows: plans, explanations, catalogues."""
