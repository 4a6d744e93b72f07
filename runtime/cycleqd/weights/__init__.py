"""Task-vector factors and materialised children (safetensors only, never pickle).

Everything that touches weights lives here, above `cycleqd.checkpoints`, which reads what lies on
disk without torch; ``docs/weights.md`` tells the story.
"""
