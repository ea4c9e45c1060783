"""Who acts: one leader by one Lease, or several replicas that share the keys by many."""
