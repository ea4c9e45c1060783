"""What is known of each kind: its defaults, its validation, what a write of it does."""
