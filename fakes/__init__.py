"""Honest fakes: virtual time, an API server, the loops of a cluster, simulated bitcoin nodes."""
