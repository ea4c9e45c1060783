"""CustomResourceDefinitions: what they must say, and the kinds that they add."""
