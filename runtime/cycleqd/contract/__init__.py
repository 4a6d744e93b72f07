"""What an operator and a run's pods tell each other; only the standard library and pydantic."""
