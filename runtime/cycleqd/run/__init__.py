"""A run as its store tells it: position, planning, models, members, admission, verification."""
