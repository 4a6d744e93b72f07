"""Checkpoints, task-vector factors and materialised children (safetensors only, never pickle).

`header` and `compatibility` need no torch, so that a coordinator plans and validates without it.
Everything that touches weights lives in the other modules; ``docs/weights.md`` tells the story.
"""
