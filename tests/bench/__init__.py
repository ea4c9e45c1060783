"""What things cost: `python -m tests.bench`."""
