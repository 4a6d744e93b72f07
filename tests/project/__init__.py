"""What the repository itself promises: its commands, its style, its documents."""
