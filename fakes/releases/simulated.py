"""
What the loops of a cluster do about the objects of each kind, and which of these loops there are here.

`docs/simulated.md` is made of it: `python -m ctrlkit.fakes.releases.simulated > docs/simulated.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from ctrlkit.fakes.releases import NEWEST, release


class Duty(NamedTuple):
    """
    What a cluster does about a kind's objects, and the name of the loop that does it here; "" if none does.

    `from_the_start` is false where it does nothing about new objects.
    """

    does: str
    loop: str = ""
    from_the_start: bool = True


DUTIES: Mapping[str, Duty] = {
    "apiservices.apiregistration.k8s.io": Duty("sends requests on to the servers they name, and says if these answer"),
    "certificatesigningrequests.certificates.k8s.io": Duty("approves those of kubelets, and signs what is approved"),
    "clusterroles.rbac.authorization.k8s.io": Duty("gathers the rules of aggregated roles", "aggregation"),
    "cronjobs.batch": Duty("makes Jobs when they are due", "cronjobs"),
    "daemonsets.apps": Duty("makes a pod for each node", "daemonsets"),
    "deployments.apps": Duty("makes ReplicaSets and rolls them out", "deployments"),
    "endpoints": Duty("mirrors those that a client writes in EndpointSlices", "endpoints"),
    "flowschemas.flowcontrol.apiserver.k8s.io": Duty("queues requests by them"),
    "horizontalpodautoscalers.autoscaling": Duty("scales by metrics"),
    "ingresses.networking.k8s.io": Duty("leads requests to Services, where a controller of Ingresses is installed"),
    "jobs.batch": Duty("makes pods until enough have succeeded", "jobs"),
    "namespaces": Duty("empties those that are being deleted", "namespaces", from_the_start=False),
    "networkpolicies.networking.k8s.io": Duty("lets through what they allow, where the network does so"),
    "nodes": Duty("runs pods on them, says if they are ready, and drives pods away from those that are not", "kubelet"),
    "persistentvolumeclaims": Duty("binds them to volumes, and makes volumes", "persistentvolumes"),
    "persistentvolumes": Duty("binds them to claims, and reclaims them", "persistentvolumes"),
    "poddisruptionbudgets.policy": Duty("counts the pods that may be disrupted", "disruption"),
    "pods": Duty("schedules them and runs their containers", "kubelet"),
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io": Duty("queues requests by them"),
    "replicasets.apps": Duty("makes pods", "replicasets"),
    "replicationcontrollers": Duty("makes pods", "replicationcontrollers"),
    "resourceclaims.resource.k8s.io": Duty("allocates devices"),
    "resourcequotas": Duty("counts what is used", "resourcequotas"),
    "secrets": Duty("puts tokens into those of ServiceAccounts", "accounts", from_the_start=False),
    "serviceaccounts": Duty(
        "makes one in each namespace, with the ConfigMap kube-root-ca.crt", "accounts", from_the_start=False
    ),
    "servicecidrs.networking.k8s.io": Duty("takes addresses of Services from them"),
    "services": Duty("makes EndpointSlices and Endpoints of the pods they select", "endpoints"),
    "statefulsets.apps": Duty("makes pods in order", "statefulsets"),
    "storageclasses.storage.k8s.io": Duty(
        "makes volumes for their claims, where their provisioner is installed", "provisioner", from_the_start=False
    ),
    "validatingadmissionpolicies.admissionregistration.k8s.io": Duty(
        "checks the types of their expressions", "policytypes"
    ),
    "volumeattachments.storage.k8s.io": Duty("attaches volumes, by a driver"),
    "volumeattributesclasses.storage.k8s.io": Duty(
        "keeps those in use from being deleted", "volumeprotection", from_the_start=False
    ),
}
"""By plural and group, with the values of `ctrlkit.fakes.cluster.Loop`. Garbage collection is for every kind."""


_RENEWED = "files, renewed when the minute of the pod is over in which what they are made of changes"
_OF_OTHERS = "holds the pod up: FailedMount, no volume plugin matched"
_OF_MACHINES = "holds the pod up: FailedMount, there is no such disk here"
_TAKEN_OVER = "a folder of its own, kept for good, as if its driver were installed"

VOLUMES: Mapping[str, str] = {
    "awsElasticBlockStore": _TAKEN_OVER,
    "azureDisk": _TAKEN_OVER,
    "azureFile": _TAKEN_OVER,
    "cephfs": _OF_OTHERS,
    "cinder": _TAKEN_OVER,
    "configMap": _RENEWED,
    "csi": "of a claim and a driver that makes volumes here: a folder, kept by its handle and attached to one node "
    "at a time, unless many may have it; else it holds the pod up: FailedAttachVolume, in a pod's own spec FailedMount",
    "downwardAPI": "files, renewed as soon as the pod changes",
    "emptyDir": "an empty folder of the pod; one in memory takes no more than its limit, and a pod that puts more into "
    "another one is evicted, unless it is a process that does so",
    "ephemeral": "its claim, which is made for the pod",
    "fc": _OF_MACHINES,
    "flexVolume": _OF_OTHERS,
    "flocker": _OF_OTHERS,
    "gcePersistentDisk": _TAKEN_OVER,
    "gitRepo": "holds the pod up: FailedMount, disabled as on a default kubelet",
    "glusterfs": _OF_OTHERS,
    "hostPath": "a folder or file of a node that is played, never of this machine; all types but devices",
    "image": "an empty folder that is read only; its image is pulled",
    "iscsi": _OF_MACHINES,
    "local": "of a claim: a folder of its node, which is there from the start",
    "nfs": "a folder, kept by server and path, as if a server had it",
    "persistentVolumeClaim": "the folder of its volume, which outlives the pod; unbound, it holds the pod up",
    "photonPersistentDisk": _OF_OTHERS,
    "portworxVolume": _TAKEN_OVER,
    "projected": f"{_RENEWED}; tokens after four fifths of their time. Without cluster trust bundles and certificates",
    "quobyte": _OF_OTHERS,
    "rbd": _OF_OTHERS,
    "scaleIO": _OF_OTHERS,
    "secret": _RENEWED,
    "storageos": _OF_OTHERS,
    "vsphereVolume": _TAKEN_OVER,
}
"""What becomes of a pod's volume here, by the field that says what it is made of."""


class Part(NamedTuple):
    """A part of what a kubelet does, and what of it is done here."""

    does: str
    here: str


KUBELET: Sequence[Part] = (
    Part("runs init containers in order, sidecars beside the others, ephemeral containers at any time", "yes"),
    Part(
        "restarts containers by the pod's restartPolicy, their own, and their restartPolicyRules",
        "yes",
    ),
    Part(
        "waits between restarts: 10 s, doubling to 5 minutes, from the start again after a run of 10 minutes",
        "yes, to the second, where a real one draws up to half more; CrashLoopBackOff is shown from the next look on",
    ),
    Part("starts containers again on a node that has booted, and counts that", "yes"),
    Part("runs a changed image: `kubectl set image pod`", "yes"),
    Part("ends pods: hooks, SIGTERM, SIGKILL after the grace period, sidecars last, a last status", "yes"),
    Part("ends pods after their activeDeadlineSeconds", "yes"),
    Part(
        "probes containers, and runs their hooks",
        "yes, to the moment; a container that is a process is asked at loopback addresses alone",
    ),
    Part("pulls images by their policy, with its back-off", "yes, from no registry: declarations say how it goes"),
    Part("mounts volumes, and holds pods whose sources are missing", "yes, see below"),
    Part(
        "refuses pods that its node has no room for, or that do not belong there",
        "yes; it makes no room for critical pods",
    ),
    Part("writes phases, conditions, the statuses of containers, Events", "yes, a status once where nothing waits"),
    Part(
        "resizes running containers: `kubectl patch --subresource resize`",
        "yes, without a look at what is free on the node",
    ),
    Part("enforces limits, ends containers by memory, evicts pods of a node that runs out", "no; an image says `oom`"),
    Part("gives pods a network: DNS, Services, policies", "no; pods of processes reach one another's addresses"),
    Part("isolates containers: users, capabilities, namespaces, cgroups, seccomp", "no"),
    Part("gives pods devices (resourceClaims)", "no"),
    Part("runs static pods, checkpoints containers, shuts a node down gracefully", "no"),
)
"""What a kubelet does, and whether those do that are played here."""


class LeftUndone:
    """
    What is left undone about new objects of each kind, told once.

    >>> left_undone = LeftUndone(["kubelet"])
    >>> left_undone.of("jobs.batch")
    'makes pods until enough have succeeded'
    >>> left_undone.of("jobs.batch"), left_undone.of("pods"), left_undone.of("configmaps")
    ('', '', '')
    """

    def __init__(self, loops: Collection[str]) -> None:
        self._loops = loops
        self._told: set[str] = set()

    def of(self, resource: str) -> str:
        """Return what a cluster does about a kind and nobody here; "" for nothing, and from the second time on."""
        duty = DUTIES.get(resource)
        if duty is None or not duty.from_the_start or duty.loop in self._loops or resource in self._told:
            return ""
        self._told.add(resource)
        return duty.does


_HEAD = f"""# What is simulated

Each kind of objects that Kubernetes {NEWEST} serves by default, and what is done about them here. The page is made by
`python -m ctrlkit.fakes.releases.simulated > docs/simulated.md`, and a test holds it.

- **rules**: *written* where defaults, refusals and what an update keeps are written by hand, *schema* where they are
  those of the release's own schema: types, required fields, defaults, enumerations.
- **a cluster**: what its loops do about such objects, if anything.
- **here**: *yes* where a loop does that here: in `ctrlkit apiserver`, and in a World that is given it, as in
  `World(cluster=ALL)`. With *no* an object stays as it was written, and its status as clients write it.

What is left undone about a kind is said once, when its first object is made: by `ctrlkit apiserver` in its log
(`loop_missing`, see [Log lines](logging.md)), and by a World in its trace, not in the log, because a test plays the
cluster itself. Finalizers and garbage collection work for every kind.

| kind | apiVersion | rules | a cluster | here |
|---|---|---|---|---|
"""


_KUBELET_HEAD = """
## What a kubelet does

| a kubelet | here |
|---|---|
"""

_VOLUMES = """
## Volumes of pods

What a pod finds where it mounts a volume, in memory or, for containers that are processes, as folders. What is missing
holds the pod up with a kubelet's Events, and is tried again at a kubelet's distances. Owners of files, SELinux and
block devices are not played.

| volume | here |
|---|---|
"""


def document() -> str:
    """Return the text of docs/simulated.md."""
    parts = (f"| {part.does} | {part.here} |\n" for part in KUBELET)
    volumes = (f"| {source} | {text} |\n" for source, text in VOLUMES.items())
    return "".join([_HEAD, *_rows(), _KUBELET_HEAD, *parts, _VOLUMES, *volumes])


def _rows() -> Iterator[str]:
    from ctrlkit.fakes.tracker.kinds.registry import has_strategy  # noqa: PLC0415 - which reads this package

    for kind in release(NEWEST).kinds:
        if "list" in kind.verbs:
            does, loop, _ = DUTIES.get(".".join(filter(None, (kind.plural, kind.group))), Duty(""))
            rules = "written" if has_strategy(kind.group, kind.plural) else "schema"
            here = "" if not does else "yes" if loop else "no"
            yield f"| {kind.kind} | {kind.api_version} | {rules} | {does} | {here} |\n"


if __name__ == "__main__":
    sys.stdout.write(document())
