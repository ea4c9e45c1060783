"""
Controllers of about 40 lines, one idea each, to be read in the order of their numbers.

The commands at the head of each are for terminals of their own, in this order: first the API server, which says `ready`
when it is, then the controller, then what a user does.
"""
