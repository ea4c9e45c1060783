"""Controllers that people run as they stand."""
