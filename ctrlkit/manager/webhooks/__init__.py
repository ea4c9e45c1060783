"""Webhooks of a running manager: their TLS server, its certificates, and the caBundles that verify those."""
