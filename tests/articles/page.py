"""The page about articles: how much of them can be typed, and what is out of scope."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.articles.walks import Walk, read_walks

_HEAD = """# Following articles about Kubernetes

Who learns Kubernetes follows articles, and types what they print. This page says how far that goes on
`ctrlkit apiserver` and on the cluster of the demo (`bitcoin-controller demo --empty`), with kubectl, jq and bash. The
commands are data (`tests/articles/walks.yaml`); `make test-all` types them all at a terminal, `kubectl exec -it` and
`port-forward` among them, and looks for what the articles show. `python -m tests.articles > docs/articles.md` makes the
page.

`ctrlkit apiserver` knows three images from the start (`fakes/cluster/node/images/common.py`): `busybox` has a shell
with its small commands, `httpd` and `nginx` serve a page to `kubectl port-forward` and have the shell too.
`--images FILE` declares more. An image that nobody declares is a stand-in: its pod runs and is ready, an Event names
it, and `kubectl exec` ends with status 126 and a sentence. On the demo's cluster `bitcoind` and `bitcoin-controller`
are processes of this machine, with their own logs, commands, terminals and ports.

| article | where | commands | as printed | in today's spelling | out of scope |
|---|---|---|---|---|---|
"""


def document() -> str:
    """Return the text of docs/articles.md."""
    all_walks = read_walks()
    rows = "".join(map(_row, all_walks.walks))
    return _HEAD + rows + "".join(_today()) + "".join(_scopes()) + _MACOS


def _row(walk: Walk) -> str:
    commands = [step for step in walk.steps if step.run]
    out = sum(bool(step.out) for step in commands)
    today = sum(step.today is not None for step in commands)
    where = {"apiserver": "`ctrlkit apiserver`", "demo": "the demo's cluster"}.get(walk.server, "-")
    return f"| {walk.article} | {where} | {len(commands)} | {len(commands) - out - today} | {today} | {out} |\n"


def _today() -> Iterator[str]:
    all_walks = read_walks()
    yield "\nWhat is typed differently today, on any cluster:\n\n| what | commands |\n|---|---|\n"
    counts = Counter(step.today.why for walk in all_walks.walks for step in walk.steps if step.today is not None)
    for why, text in all_walks.reasons.items():
        if counts[why]:
            yield f"| {text} | {counts[why]} |\n"
    yield _CLI


_CLI = """
The demo's image has the articles' `/bitcoin.conf`, as a link to the configuration in a node's home folder. There
bitcoin-cli looks by itself, so a node that the controller made is asked without flags, on any cluster:

    kubectl exec my-network-sts-0 -- bitcoin-cli getpeerinfo
"""
_MACOS = """
## On macOS

A pod whose image is a process listens at a loopback address of its own, and all bitcoin nodes use the same ports. Linux
has all of 127.0.0.0/8; macOS has 127.0.0.1 until somebody adds more, so `bitcoin-controller demo` looks at its start
whether there are enough, and prints the line that sets up those that are missing:

    sudo ifconfig lo0 alias 127.0.0.2 up && sudo ifconfig lo0 alias 127.0.0.3 up && sudo ifconfig lo0 alias 127.0.0.4 up

They last until the machine is started again. With these three the demo of three nodes does all that it does on Linux,
and so do the articles: 127.0.0.1 serves the fourth node. It scales the network to as many nodes as there are addresses,
four here, in place of twelve. Without them:

| what | on macOS with 127.0.0.1 alone |
|---|---|
| `ctrlkit apiserver`, tests with a World, all articles on them | work whole: stand-ins need no addresses |
| images that are processes and listen at different ports | work: their pods share 127.0.0.1 |
| a second pod that listens at a taken port | its container waits: RunContainerError, with the command to type |
| `bitcoin-controller demo` | ends at once, with the line to type |
"""


def _scopes() -> Iterator[str]:
    all_walks = read_walks()
    yield "\n## Out of scope\n\n| what | commands | for example |\n|---|---|---|\n"
    for scope, text in all_walks.scopes.items():
        commands = [step.run for walk in all_walks.walks for step in walk.steps if step.out == scope]
        example = min(commands, key=len).replace("|", "\\|")
        yield f"| {text} | {len(commands)} | `{example}` |\n"
