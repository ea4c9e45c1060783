"""A world: everything that runs in a test, on one virtual clock, around one server."""
