"""The answer and its columns: built, written and read back."""
