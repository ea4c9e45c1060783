"""
To which nodes the disks of CSI drivers are attached: to one at a time, unless many may write to them or all only read.

The control plane attaches and detaches them. A disk of a node that is lost stays attached to it as long as its pods are
there, and for six minutes more, as nobody can say that it is not written to.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from ctrlkit.model import ObjectKey

FORCED_AFTER_S = 360.0
"""When a disk is taken from a lost node whose pods are gone."""

LOOK_EVERY_S = 10.0
"""How often it is asked whether the pods of a lost node are gone."""

_SHARED = frozenset({"ReadOnlyMany", "ReadWriteMany"})


@dataclass(frozen=True, slots=True)
class Held:
    """Why a disk cannot be attached now, and when to try again, on the loop's clock; None if somebody will say so."""

    text: str
    due_at: float | None


@dataclass(slots=True)
class _Attached:
    pods: dict[str, ObjectKey] = field(default_factory=dict)
    free_at: float | None = None


@dataclass(slots=True)
class Attachments:
    """
    The disks of all nodes. `works` says whether a node's kubelet does, `exists` whether a pod is there, by its uid.

    >>> attachments = Attachments(works=lambda node: True, exists=lambda key, uid: True)
    >>> attachments.attach("pv-1", ["ReadWriteOnce"], "n1", ObjectKey("demo", "a"), "u1", now=0.0)
    >>> attachments.attach("pv-1", ["ReadWriteOnce"], "n2", ObjectKey("demo", "b"), "u2", now=0.0).text
    'Volume is already used by pod(s) a'
    >>> attachments.leave("u1", is_lost=False), attachments.nodes("pv-1")
    ({'pv-1'}, [])
    """

    works: Callable[[str], bool]
    exists: Callable[[ObjectKey, str], bool]
    _disks: dict[str, dict[str, _Attached]] = field(default_factory=dict, init=False)

    def nodes(self, disk: str) -> list[str]:
        """Return the nodes that a disk is attached to."""
        return list(self._disks.get(disk, ()))

    def attach(
        self, disk: str, modes: Collection[str], node: str, pod: ObjectKey, uid: str, *, now: float
    ) -> Held | None:
        """Attach a disk to a node for a pod; return why that cannot be, None if it is done."""
        places = self._disks.setdefault(disk, {})
        for other in [one for one in places if one != node]:
            if self._is_free(other, places[other], now):
                del places[other]
        others = {name: one for name, one in places.items() if name != node}
        if others and not _SHARED & set(modes):
            return self._held(others, pod, now)
        places.setdefault(node, _Attached()).pods[uid] = pod
        return None

    def leave(self, uid: str, *, is_lost: bool) -> set[str]:
        """Note that a pod is gone from its node; return the disks that are free for others by that."""
        freed: set[str] = set()
        for disk, places in self._disks.items():
            for node in [name for name, one in places.items() if uid in one.pods]:
                if not is_lost:
                    del places[node].pods[uid]
                    if not places[node].pods:
                        del places[node]
                        freed.add(disk)
        return freed

    def _is_free(self, node: str, attached: _Attached, now: float) -> bool:
        """Whether a disk can be taken from a node."""
        if self.works(node):  # what is known of it is what its kubelet says, unless it has booted since
            return not any(self.exists(key, uid) for uid, key in attached.pods.items())
        if any(self.exists(key, uid) for uid, key in attached.pods.items()):
            attached.free_at = None
            return False
        if attached.free_at is None:
            attached.free_at = now + FORCED_AFTER_S
        return now >= attached.free_at

    def _held(self, others: dict[str, _Attached], pod: ObjectKey, now: float) -> Held:
        users = [key for one in others.values() for uid, key in one.pods.items() if self.exists(key, uid)]
        near = [key.name for key in users if key.namespace == pod.namespace]
        far = len(users) - len(near)
        if not users:
            text = "Volume is already exclusively attached to one node and can't be attached to another"
        elif near:
            more = f" and {far} pod(s) in different namespaces" if far else ""
            text = f"Volume is already used by pod(s) {', '.join(near)}{more}"
        else:
            text = f"Volume is already used by {far} pod(s) in different namespaces"
        if all(self.works(node) for node in others):
            return Held(text, None)
        moments = [one.free_at for one in others.values() if one.free_at is not None]
        return Held(text, min([*moments, now + LOOK_EVERY_S]))
