"""Kubernetes controllers in Python: informers, rate-limited work queues, and one `reconcile`."""
