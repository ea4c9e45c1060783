"""A package whose programs can be forks of one interpreter; see fakes/cluster/node/fork_server.py."""
