"""A clientset that records calls and lets tests answer them: `calls` says which, `faults` scripts failures."""
