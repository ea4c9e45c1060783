"""Volumes, claims, storage classes and what CSI drivers publish."""
