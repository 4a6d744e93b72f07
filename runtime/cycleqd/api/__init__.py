"""The Python API: what `import cycleqd` offers, and what the commands are made of.

Everything here is read from a store or runs the same roles as ``cycleqd run``; nothing needs torch
until weights are asked for.
"""
