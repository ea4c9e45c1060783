"""What helps inside a reconcile: owners, finalizers, create-or-patch, apply, waiting for own writes."""
