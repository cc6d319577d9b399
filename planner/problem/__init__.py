"""What is asked: instances and fleets, their names resolved and their values validated."""
