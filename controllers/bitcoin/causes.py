"""
Why the pod of a node does not run, in one sentence with its next step. Pure.

`cause_of` looks at the pod and its claims, and at Events where those explain nothing; `events_wanted` says of which
objects. Texts of others are cut, freed of credentials, and of what differs from one try to the next: so a cause stays
the same text until there is another cause.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from ctrlkit.bitcoin.bitcoin_conf import dbcache_mib
from ctrlkit.bitcoin.network import NodeOptions
from ctrlkit.bitcoin.objects import (
    Claim,
    ContainerStatus,
    Ended,
    Event,
    Involved,
    Pod,
)
from ctrlkit.bitcoin.texts import shown

OVERDUE: Final = timedelta(seconds=60)
"""So long after its grace period a pod that is still there is said to be stuck."""

PLACED_WITHIN: Final = timedelta(seconds=60)
"""So long a pod may wait for its volume and for a Kubernetes node until it is said what keeps it."""

_LINES_MAX: Final = 2


def cause_of(
    name: str,
    pod: Pod | None,
    claims: Sequence[Claim] = (),
    events: Iterable[Event] = (),
    *,
    now: datetime,
    options: NodeOptions = NodeOptions(),  # noqa: B008 - it is frozen
) -> str:
    """
    Return why a pod does not run, and what to do; "" for a pod that runs, or is about to as far as is known.

    >>> from ctrlkit.bitcoin.objects import ContainerState, Waiting, PodStatus
    >>> from ctrlkit.model import ObjectMeta
    >>> state = ContainerState(waiting=Waiting(reason="ErrImagePull", message="core:99: not found"))
    >>> status = PodStatus(container_statuses=(ContainerStatus(name="bitcoind", state=state),))
    >>> pod = Pod(metadata=ObjectMeta(name="net-sts-0"), status=status)
    >>> cause_of("net-sts-0", pod, now=datetime(2026, 1, 1))
    'its image cannot be pulled: core:99: not found; correct spec.image or spec.version'

    Shape   `name` is the pod's, which is None where there is none. `claims` are those of the node that there are.
            `events` may be about other objects too. `options` are those of the node, for what they say of memory.
    """
    happened = sorted(events, key=lambda event: (event.seen, event.type, event.metadata.name))
    if pod is None:
        return _not_made(name, happened)
    if pod.metadata.deleting:
        return _not_gone(pod, now)
    if pod.ready:
        return ""
    return (
        _failed(pod)
        or _not_placed(pod, claims, happened, now)
        or _machine_silent(pod)
        or _not_running(pod, claims, happened, options)
    )


def events_wanted(name: str, statefulset: str, pod: Pod | None, claims: Sequence[Claim] = ()) -> tuple[Involved, ...]:
    """
    Return the objects whose Events say what the pod and its claims do not.

    >>> events_wanted("net-sts-0", "net-sts", None)
    (Involved(kind='StatefulSet', name='net-sts', uid=''),)
    """
    if pod is None:
        return (Involved(kind="StatefulSet", name=statefulset),)
    if pod.metadata.deleting or pod.ready:
        return ()
    if not pod.spec.node_name:
        return tuple(_involved("PersistentVolumeClaim", claim) for claim in claims if claim.status.phase == "Pending")
    statuses = _statuses(pod)
    is_being_made = not statuses or any(_waits_for(one) in _BEING_MADE for one in statuses)
    is_unexplained = any(ended is not None and _is_unexplained(ended) for ended in map(_end_of, statuses))
    return (_involved("Pod", pod),) if is_being_made or is_unexplained else ()


# ---- before there is a pod, and after it ----------------------------------------------------------------------------


def _not_made(name: str, events: Sequence[Event]) -> str:
    about = [one for one in events if one.involved_object.kind == "StatefulSet" and f"Pod {name} " in one.message]
    made = [one for one in about if one.reason in ("FailedCreate", "SuccessfulCreate")]
    if not made or made[-1].reason == "SuccessfulCreate":
        return ""
    _, found, error = made[-1].message.partition("failed error: ")
    words = error if found else made[-1].message
    return f"its pod cannot be made: {shown(words)}; {_advice(words, _OF_REFUSALS)}"


_OF_REFUSALS: Final = (
    (
        r"exceeded quota|must specify (limits|requests)",
        "raise the quota of the namespace, or ask for less: spec.nodes, spec.resources",
    ),
    (r"violates PodSecurity", "let the namespace allow it with its label pod-security.kubernetes.io/enforce"),
    (r"(maximum|minimum) (cpu|memory)|LimitRange", "set spec.resources to what the namespace's LimitRange allows"),
    (
        r"admission webhook|ValidatingAdmissionPolicy",
        "ask whoever runs that policy, or change the spec to what it allows",
    ),
    (r"serviceaccount", "make the ServiceAccount default of the namespace again"),
    (r"", "correct what is refused: it is tried again"),
)


def _not_gone(pod: Pod, now: datetime) -> str:
    target, where = pod.condition("DisruptionTarget"), pod.spec.node_name
    if where and ((target is not None and target.reason == "DeletionByTaintManager") or _is_silent(pod)):
        return _lost(where)
    if now < datetime.fromisoformat(pod.metadata.deletion_timestamp or "") + OVERDUE:
        return ""
    if pod.metadata.finalizers:
        return (
            f"its pod was deleted and waits for finalizer {shown(pod.metadata.finalizers[0])}; see who has put it there"
        )
    machine = f", and kubectl get node {where}" if where else ""
    return f"its pod was to have ended by now and is still there; see kubectl describe pod {pod.metadata.name}{machine}"


def _failed(pod: Pod) -> str:
    status = pod.status
    if status.phase != "Failed":
        return ""
    if status.reason == "Evicted":
        step = "set spec.resources.requests to what it needs, or free the Kubernetes node"
        return f"its pod was evicted: {shown(status.message)}; {step}"
    return f"its pod has failed: {shown(f'{status.reason} {status.message}') or 'nobody says why'}; it is made again"


# ---- which Kubernetes node ------------------------------------------------------------------------------------------


def _not_placed(pod: Pod, claims: Sequence[Claim], events: Sequence[Event], now: datetime) -> str:
    created = pod.metadata.creation_timestamp
    if pod.spec.node_name or (created and now < datetime.fromisoformat(created) + PLACED_WITHIN):
        return ""
    placed = pod.condition("PodScheduled")
    is_refused = placed is not None and placed.status == "False"
    words = placed.message if placed is not None and is_refused else ""
    if not is_refused or _OF_CLAIMS.search(words):
        unbound = next(filter(None, (_unbound(claim, events, is_refused=is_refused) for claim in claims)), "")
        if unbound or not is_refused:
            return unbound
    return f"its pod fits no Kubernetes node: {shown(_OTHERS_GIVE_WAY.sub('', words))}; {_advice(words, _OF_PLACES)}"


_OF_CLAIMS: Final = re.compile(r"persistentvolumeclaim|binding volumes", re.IGNORECASE)
_OTHERS_GIVE_WAY: Final = re.compile(r"\s*(no new claims to deallocate|preemption:|not found$).*", re.DOTALL)
_OF_PLACES: Final = (
    (r"Insufficient|Too many pods", "add Kubernetes nodes, or ask for less in spec.resources"),
    (r"untolerated taint", "add a toleration to spec.tolerations, or a Kubernetes node without the taint"),
    (r"node affinity/selector|affinity rules", "correct spec.nodeSelector or spec.affinity"),
    (
        r"PersistentVolume's node affinity|volume node affinity",
        "its volume is elsewhere: bring that Kubernetes node back",
    ),
    (r"", "see kubectl get nodes"),
)


def _unbound(claim: Claim, events: Sequence[Event], *, is_refused: bool) -> str:
    name, phase = claim.metadata.name, claim.status.phase
    if phase == "Bound":
        return ""
    if phase == "Lost":
        return f"claim {name} has lost its volume; bring the PersistentVolume back, or restore it from a backup"
    class_name = claim.spec.storage_class_name
    if class_name is None:
        step = "mark a StorageClass as the default: the claim gets it"
        return f"claim {name} names no StorageClass and the cluster has no default one; {step}"
    uid = claim.metadata.uid
    said = [one for one in events if one.involved_object.uid == uid and one.reason not in _CLAIM_GOES_ON]
    of_class = f"claim {name} of StorageClass {class_name!r}"
    if said and re.search(r'storageclass\S* "[^"]*" not found', said[-1].message):
        return f"claim {name} waits for StorageClass {class_name}, which does not exist; create it"
    if said:
        return f"{of_class} is not bound: {shown(said[-1].message)}; see kubectl describe pvc {name}"
    return f"{of_class} is not bound; see kubectl describe pvc {name}" if is_refused else ""


_CLAIM_GOES_ON: Final = frozenset(
    {"WaitForFirstConsumer", "WaitForPodScheduled", "Provisioning", "ProvisioningSucceeded"}
)


def _machine_silent(pod: Pod) -> str:
    where = pod.spec.node_name
    return _lost(where) if where and _is_silent(pod) else ""


def _is_silent(pod: Pod) -> bool:
    """Whether somebody else than its kubelet says that a pod is not ready."""
    ready, containers = pod.condition("Ready"), pod.condition("ContainersReady")
    if ready is None or ready.reason == "ReadinessGatesNotReady":
        return False
    is_contradicted = ready.status == "False" and containers is not None and containers.status == "True"
    return ready.status == "Unknown" or is_contradicted


def _lost(where: str) -> str:
    return (
        f"Kubernetes node {where} does not answer; its pods go on when it is back; if it is gone for good: kubectl "
        f"delete node {where}"
    )


# ---- its containers -------------------------------------------------------------------------------------------------


def _not_running(pod: Pod, claims: Sequence[Claim], events: Sequence[Event], options: NodeOptions) -> str:
    own = [one for one in events if one.involved_object.uid == pod.metadata.uid]
    for status in _statuses(pod):
        waits_for, ended = _waits_for(status), _end_of(status)
        words = status.state.waiting.message if status.state.waiting is not None else ""
        if waits_for in _OF_IMAGE:
            words = words.partition("ErrImagePull: ")[2] or words
            return f"its image cannot be pulled: {shown(words) or waits_for}; {_advice(words, _OF_IMAGES)}"
        if waits_for == "CreateContainerConfigError":
            return f"its container cannot be made: {shown(words)}; {_advice(words, _OF_CONFIGURATION)}"
        if waits_for in ("RunContainerError", "CreateContainerError"):
            return _not_started(words)
        if ended is not None:
            return _ended(pod, ended, own, options, is_kept=bool(claims))
    return _not_mounted(pod, own) if pod.spec.node_name else ""


_BEING_MADE: Final = frozenset({"ContainerCreating", "PodInitializing"})
_OF_IMAGE: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_OF_IMAGES: Final = (
    (
        r"unauthorized|denied|authorization|authentication|403|401",
        "name a Secret that may pull in spec.imagePullSecrets",
    ),
    (r"not found|manifest unknown|invalid|parse", "correct spec.image or spec.version"),
    (r"", "see that the registry answers, or correct spec.image: it is tried again"),
)
_OF_CONFIGURATION: Final = (
    (r"(?i)secret .*not found|key .* in secret", "create it: it is tried again"),
    (r"runAsNonRoot", "set spec.securityContext.runAsUser to a user that is not root"),
    (r"", "correct it: it is tried again"),
)


def _statuses(pod: Pod) -> tuple[ContainerStatus, ...]:
    return (*(pod.status.init_container_statuses or ()), *(pod.status.container_statuses or ()))


def _waits_for(status: ContainerStatus) -> str:
    return status.state.waiting.reason if status.state.waiting is not None else ""


def _end_of(status: ContainerStatus) -> Ended | None:
    """Return how the run before ended of a container that does not run, or has not come as far as that one."""
    if status.ready or status.started or _waits_for(status) in _BEING_MADE:
        return None
    return status.state.terminated or status.last_state.terminated


def _is_unexplained(ended: Ended) -> bool:
    return ended.reason != "OOMKilled" and ended.exit_code in (0, 137, 143)


def _not_started(words: str) -> str:
    return f"its container cannot start: {shown(words)}; {_advice(words, _OF_STARTS)}"


_OF_STARTS: Final = (
    (
        r"executable file not found|no such file",
        "the image needs bitcoind and bitcoin-cli on its PATH: correct spec.image",
    ),
    (r"permission denied", "the image cannot run as the user in spec.securityContext: correct one of them"),
    (r"", "it is tried again"),
)


def _ended(pod: Pod, ended: Ended, events: Sequence[Event], options: NodeOptions, *, is_kept: bool) -> str:
    if ended.reason in ("StartError", "ContainerCannotRun"):
        return _not_started(ended.message)
    if ended.reason == "OOMKilled":
        return _out_of_memory(options)
    line, log = _last_words(ended.message), f"see kubectl logs {pod.metadata.name} --previous"
    told = f"bitcoind ended with exit code {ended.exit_code}{f': {line}' if line else ''}"
    if re.search(_DISK_FULL, ended.message):
        return f"{told}; {_DISK_OF_CLAIM if is_kept else _DISK_OF_POD}"
    step = _advice(ended.message, _OF_ENDS)
    if not step and _is_unexplained(ended):
        killed = next((one for one in reversed(events) if one.reason == "Killing" and "probe" in one.message), None)
        if killed is not None:
            return f"bitcoind was stopped by its kubelet: {shown(killed.message)}; {log}"
        if ended.exit_code == 0:
            told = "bitcoind ended by itself with exit code 0, as after the RPC stop"
    return f"{told}; {step or log}"


def _out_of_memory(options: NodeOptions) -> str:
    limit = options.resources.limits.get("memory") if options.resources is not None else None
    of_limit = f"its memory limit of {limit}" if limit else "the memory there is"
    return (
        f"bitcoind used more than {of_limit} (OOMKilled), and dbcache alone may take {dbcache_mib(options)} MiB; "
        "raise spec.resources.limits.memory, or lower spec.configuration.dbcacheMiB"
    )


_DISK_FULL: Final = r"(?i)disk space is (too )?low|no space left on device"
_DISK_OF_CLAIM: Final = "its volume is full: raise spec.storage.size, or keep less with spec.configuration.pruneMiB"
_DISK_OF_POD: Final = (
    "its Kubernetes node is full: keep less with spec.configuration.pruneMiB, or keep chains on claims of a new network"
)
_OF_ENDS: Final = (
    (
        r"Error reading configuration file|Error parsing command line|Invalid parameter|Invalid [^\n]* for -|"
        r"Prune (mode|cannot)|[Uu]nknown option",
        "correct spec.configuration",
    ),
    (
        r"-reindex",
        "add reindex=1 to spec.configuration.extra, and take it out when the node is at the tip again",
    ),
    (r"Cannot obtain a lock", "another process has its directory: see which pods use its claim"),
    (r"no genesis block", "its volume holds another chain: correct spec.chain, or give the network another name"),
    (
        r"(?i)permission denied|cannot write to|read-only file system",
        "set spec.securityContext.fsGroup to a group that may write to its volume",
    ),
    (r"Unable to bind|Failed to listen", "something else listens there: correct spec.ports"),
    (r"Error: [^\n]*(?<![^\s'\"(])-[a-z]{3,}", "correct spec.configuration"),
    (r"", ""),
)


def _last_words(message: str) -> str:
    """
    Return the last lines of a message that tell of an error, or the last lines.

    >>> _last_words("2026-01-01T00:00:00Z Disk space is too low!\\n2026-01-01T00:00:00Z Shutdown: done\\n")
    'Disk space is too low'
    """
    lines = [
        line
        for text in message.splitlines()
        if (line := _LOG_HEAD.sub("", text).strip(" .!:\t") and _LOG_HEAD.sub("", text).strip())
    ]
    telling = [line for line in lines if _TELLING.search(line)] or lines
    last: list[str] = []
    for line in reversed(telling):
        if len(last) < _LINES_MAX and not any(line in one or one in line for one in last):
            last.insert(0, line)
    return shown(" | ".join(last))


_LOG_HEAD: Final = re.compile(r"^\s*\d{4}-\d\d-\d\d[T ][\d:.]+Z?\s*(\[\w+\]\s*)?")
_TELLING: Final = re.compile(r"(?i)error|cannot|unable|failed|invalid|corrupt|-reindex|too low|no space|denied|abort")


def _not_mounted(pod: Pod, events: Sequence[Event]) -> str:
    goes_on = max((place for place, one in enumerate(events) if one.type != "Warning"), default=-1)
    failed = [one for one in events[goes_on + 1 :] if one.reason in _OF_SANDBOX]
    if not failed:
        return ""
    last = max(failed, key=lambda one: (not one.message.startswith("Unable to attach or mount"), one.seen))
    step = _advice(last.message, _OF_MOUNTS).format(pod=pod.metadata.name)
    return f"its pod cannot begin: {shown(last.message)}; {step}"


_OF_SANDBOX: Final = frozenset({"FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox"})
_OF_MOUNTS: Final = (
    (r'(?i)secret "[^"]*" not found', "it is the controller's own, which makes it again within a minute"),
    (r"Multi-Attach", "another Kubernetes node has its volume; if that is gone for good: kubectl delete node NODE"),
    (r"", "see kubectl describe pod {pod}"),
)


def _involved(kind: str, found: Pod | Claim) -> Involved:
    return Involved(kind=kind, name=found.metadata.name, uid=found.metadata.uid)


def _advice(words: str, table: Iterable[tuple[str, str]]) -> str:
    """Return the step of the first pattern that is in the words."""
    return next(step for pattern, step in table if re.search(pattern, words))
