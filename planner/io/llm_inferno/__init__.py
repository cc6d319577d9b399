"""The JSON files of llm-inferno, read as a fleet and candidates."""
