"""Nodes as they are declared: their names, labels, taints and sizes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.quantities import quantity_value

NODE = "ctrlkit-node"
"""The name of a cluster's only node, where nobody says otherwise."""

PODS_MAX = 1_000
"""Most pods on a node at a time: more than a kubelet's 110, and few enough for the memory of this process."""

NODES_MAX = 254
"""Most nodes of a cluster: each has an address of its own."""

_TAINT = re.compile(
    r"(?P<key>[^=:]+)(?:=(?P<value>[^=:]*))?:(?P<effect>NoSchedule|PreferNoSchedule|NoExecute)", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Node:
    """
    A node to play: what its kubelet says of it when it registers.

    >>> Node("n1", labels={"zone": "a"}, taints=["gpu=yes:NoSchedule"], cpu="4", memory="8Gi").taint_objects()
    [{'key': 'gpu', 'value': 'yes', 'effect': 'NoSchedule'}]

    Shape   `taints` are written as kubectl takes them, `key=value:effect` or `key:effect`. Sizes are quantities; the
            defaults are generous. `extended` are more resources by their names, such as {"example.com/gpu": "4"}.
    Errors  ValueError for a name, label or resource that no server takes, for a taint that is none, and for a size that
            is no quantity or below 0.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Iterable[str] = ()
    cpu: str = "64"
    memory: str = "256Gi"
    ephemeral_storage: str = "1Ti"
    pods: int = PODS_MAX
    extended: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise ValueError(f"declare a node: its name is {self.name!r}; write a text such as 'n1'")
        if not self.name:
            raise ValueError("declare a node: it has no name; give it one, such as n1")
        self._check_texts()
        if isinstance(self.taints, str):
            raise ValueError(f"declare node {self.name}: its taints are one text; write a list: [{self.taints!r}]")
        object.__setattr__(self, "taints", tuple(self.taints))
        self.taint_objects()
        for resource, size in self.capacity().items():
            self._check_size(resource, size)

    def _check_texts(self) -> None:
        """Refuse names and labels that a server would refuse, in its words."""
        if not isinstance(self.labels, Mapping):
            raise ValueError(f"declare node {self.name}: its labels are {self.labels!r}; write a dict of texts")
        texts = [
            ("its name", self.name, formats.subdomain),
            *(("the label", key, formats.label_key) for key in self.labels),
            *((f"the label {key} =", value, formats.label_value) for key, value in self.labels.items()),
            *(("the resource", name, formats.label_key) for name in self.extended),
        ]
        for what, text, rule in texts:
            complaints = tuple(rule(text)) if isinstance(text, str) else ("it is no text",)
            if complaints:
                raise ValueError(f"declare node {self.name}: {what} {text!r} is not valid: {complaints[0]}")

    def taint_objects(self) -> list[dict[str, str]]:
        """Return the taints as the API has them."""
        return [self._taint(text) for text in self.taints]

    def capacity(self) -> dict[str, str]:
        """Return what the node has of each resource."""
        sizes = {"cpu": self.cpu, "ephemeral-storage": self.ephemeral_storage, "memory": self.memory}
        return {**sizes, "pods": str(self.pods), **self.extended}

    def _check_size(self, resource: str, size: str) -> None:
        try:
            fits = quantity_value(str(size)) >= 0
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(f"declare node {self.name}: {resource} cannot be {size!r}; write a quantity such as 4")

    def _taint(self, text: str) -> dict[str, str]:
        found = _TAINT.fullmatch(text)
        if found is None:
            raise ValueError(
                f"declare node {self.name}: {text!r} is no taint; write key=value:NoSchedule, with one of the effects "
                "NoSchedule, PreferNoSchedule and NoExecute"
            )
        complaints = [*formats.label_key(found["key"]), *formats.label_value(found["value"] or "")]
        if complaints:
            raise ValueError(f"declare node {self.name}: the taint {text!r} is not valid: {complaints[0]}")
        return {name: value for name, value in found.groupdict().items() if value}


Nodes: TypeAlias = "int | Iterable[Node | str]"
"""Nodes to play: how many, or each of them by its name or with all that is to be said of it."""


def declared(nodes: Nodes) -> tuple[Node, ...]:
    """
    Return the nodes that are meant.

    >>> [node.name for node in declared(3)], [node.name for node in declared(1)], declared(["a"]) == (Node("a"),)
    (['n1', 'n2', 'n3'], ['ctrlkit-node'], True)

    Errors  ValueError for a number below 0, for too many, for two of one name, and for what declares no node.
    """
    if isinstance(nodes, int):
        if not 0 <= nodes <= NODES_MAX:
            raise ValueError(f"play {nodes} nodes: write a number from 0 to {NODES_MAX}")
        return (Node(NODE),) if nodes == 1 else tuple(Node(f"n{number + 1}") for number in range(nodes))
    if isinstance(nodes, str):
        raise ValueError(f"play the nodes {nodes!r}: write how many, or a list such as [{nodes!r}]")
    if not isinstance(nodes, Iterable):
        raise ValueError(f"play the nodes {nodes!r}: write how many, or a list of names and Nodes")
    found = tuple(Node(node) if isinstance(node, str) else node for node in nodes)
    strange = [node for node in found if not isinstance(node, Node)]
    if strange:
        raise ValueError(f"play the node {strange[0]!r}: write its name, or a Node(name, ...)")
    names = [node.name for node in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or len(found) > NODES_MAX:
        fact = f"{', '.join(twice)} more than once" if twice else f"more than {NODES_MAX}"
        raise ValueError(f"play the nodes {', '.join(names[:NODES_MAX])}: {fact}; declare each once")
    return found
