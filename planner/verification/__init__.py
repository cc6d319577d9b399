"""The independent checker: recomputes plans and shares nothing with what made them."""
