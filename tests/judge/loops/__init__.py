"""
The same random changes to a World with our loops and to a real control plane: where they end up is compared.

    program.py     random programs: changes of Deployments, ReplicaSets, pods and Services, as data
    state.py       what is in a namespace at rest, without what is by chance
    rounds.py      how a real control plane is known to have nothing left to do
    __main__.py    `python -m tests.judge.loops KUBECONFIG --seeds 1-20` plays many programs and shows what differs
"""
