"""Fixtures of the tiny example for all tests of this folder."""

from tests.run.tiny import tiny_demo, tiny_store

__all__ = ["tiny_demo", "tiny_store"]
