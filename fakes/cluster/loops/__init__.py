"""The controllers of a cluster's control plane."""
