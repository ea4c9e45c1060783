"""FakeClientset: records calls, lets tests answer them (`Calls` selects which), and scripts failures (`Faults`)."""
