"""Controllers of about 40 lines, one idea each."""
