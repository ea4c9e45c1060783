"""
The demo: takes a network of bitcoin nodes through its life and checks each step.

command.py       the command `bitcoin-controller demo`, from its options to its exit status
environment.py   the embedded or existing server, and its cluster
installation.py  installs the manifests, and removes them
binary.py        real bitcoind or simulated nodes
walkthrough.py   the steps
lasting.py       those that show what lasts: storage, rollouts, rotation, mixed versions
stage.py         what the steps share
steps.py         runs steps with their deadlines; the report, as text and as JSON
checks.py        the conditions to check (pure)
observer.py      informers of the network and its children, and waiting for conditions
nodes.py         calls to the nodes
view.py live.py  output as lines, or as a table on a terminal
background.py    tasks and signals
"""
