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

The images of the articles are declared in `tests/articles/images.yaml`: a shell for `busybox`, a page for `httpd`. An
image that nobody declares is a stand-in: its pod runs and is ready, and `kubectl exec` says that nothing is there.

| article | where | commands | as printed | in today's spelling | out of scope |
|---|---|---|---|---|---|
"""


def document() -> str:
    """Return the text of docs/articles.md."""
    all_walks = read_walks()
    rows = "".join(map(_row, all_walks.walks))
    return _HEAD + rows + "".join(_today()) + "".join(_scopes())


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


def _scopes() -> Iterator[str]:
    all_walks = read_walks()
    yield "\n## Out of scope\n\n| what | commands | for example |\n|---|---|---|\n"
    for scope, text in all_walks.scopes.items():
        commands = [step.run for walk in all_walks.walks for step in walk.steps if step.out == scope]
        example = min(commands, key=len).replace("|", "\\|")
        yield f"| {text} | {len(commands)} | `{example}` |\n"
