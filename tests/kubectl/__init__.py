"""kubectl's command lines, run against a real control plane once and against ours in each long test."""
