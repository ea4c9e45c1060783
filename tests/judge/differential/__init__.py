"""The same random requests to a real API server and to ours: what differs is a mistake of ours, or is listed here."""
