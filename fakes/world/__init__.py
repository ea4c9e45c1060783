"""World: an API server and the managers under test on one virtual clock. LiveWorld: the same on a real cluster."""
