"""Volumes of pods: what they hold, when they are there, and how containers see them."""
