"""
The walk-through: a network of bitcoin nodes through its whole life, each step checked.

command.py       what `bitcoin-controller demo` does, from its options to its exit status
environment.py   a server, nodes and the controller to play on: made here, or a server that is there already
installation.py  what is installed on the server, and its removal
haste.py         shorter waits before the first probe, for simulated nodes
binary.py        real bitcoind or simulated nodes
walkthrough.py   the steps
steps.py         how a step is played: its deadline, its report
checks.py        what must hold (pure)
pods.py          how containers fare
observer.py      what the API server says, and waiting for it
nodes.py         what the nodes say
report.py        the result, as text and as JSON
view.py live.py  lines for a pipe, a table for a terminal
background.py    tasks and signals
errors.py        what can go wrong besides a step
"""
