"""What a run needs next, and what to tell about it: pure functions of what was observed."""
