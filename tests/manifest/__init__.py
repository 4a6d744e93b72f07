"""What a manifest means, and what is said of a wrong one."""
