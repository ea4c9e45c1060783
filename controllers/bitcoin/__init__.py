"""Runs bitcoin regtest networks on Kubernetes."""
