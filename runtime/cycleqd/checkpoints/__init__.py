"""Checkpoint folders as they lie on disk: files, headers, and whether two belong together.

Nothing here needs torch, so that a coordinator plans and validates without it.
"""
