"""Acting: what is watched, in which order runs are looked at, and what is written."""
