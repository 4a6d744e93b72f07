"""Tests on a real API server whose nodes are played by local processes or kwok."""
