"""The tests; helpers are imported as tests.checkpoints, tests.run.synthetic."""
