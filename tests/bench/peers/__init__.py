"""The same stream of pod events, followed by us and by other clients; each module is a program of its own."""
