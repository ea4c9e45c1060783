"""The Common Expression Language as a Kubernetes API server speaks it: parsed, checked, priced and run."""
