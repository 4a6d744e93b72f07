"""Tests under a load that no single test cluster has: many runs, Jobs and simulated nodes."""
