"""Ingresses, network policies, endpoints, and the addresses of services."""
