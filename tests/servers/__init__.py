"""Real servers that tests run against, as pytest fixtures."""
