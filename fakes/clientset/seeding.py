"""
Seeding: what is there from the start, as people write it, or as `kubectl get` has printed it on a cluster.

Created   What has no uid is made as a user makes it: admitted, completed, with its status and the namespace it needs.
Restored  What has a uid is there as it was on its cluster: uid, times, generation, owners, finalizers, managedFields
          and status are kept, nobody admits it, and it takes the place of what has its name, such as the namespace
          `default`. Its version is new: versions are this server's own, in the order of the old ones.
Joined    An owner whose uid is left out in the file has the one by which the other objects name it.
Order     Definitions first, then namespaces, what is restored, and what is created, as it comes.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Final

from ctrlkit.errors import AlreadyExists, ApiError, ConfigError
from ctrlkit.fakes.manifests import Manifest, items_of
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.schema.depth import decode, deeply, plain_copy
from ctrlkit.model import Action, MergePatch, Options, Unstructured, Verb
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES, NODES

_LIKE_IT: Final = 0.75
"""How like a kind's name another has to be, to be what was meant."""

_STRICT: Final = Options(field_validation="Strict")
_Owner = tuple[str, str, str, str]
_Named = tuple[str, str, str]
_PAST: Final = frozenset(
    (
        *("acquireTime", "completionTime", "creationTimestamp", "eventTime", "finishedAt", "firstTimestamp"),
        *("lastHeartbeatTime", "lastProbeTime", "lastScheduleTime", "lastSuccessfulTime", "lastTimestamp"),
        *("lastTransitionTime", "lastUpdateTime", "renewTime", "startTime", "startedAt"),
    )
)
"""Fields of Kubernetes' own that say when something has happened."""


def seed(tracker: Tracker, *objects: Mapping[str, Any] | Manifest) -> None:
    """
    Put objects into a tracker, lists item by item; objects of files go to `default` where they name no namespace.

    Errors  ValueError for an object of a kind that is not registered, ApiError for one that a server would refuse; of a
            file each is a ConfigError that names the document.
    """
    seed_items(tracker, items_in(objects))


def seed_items(tracker: Tracker, manifests: Iterable[Manifest]) -> None:
    """Put the items of `items_in` into a tracker, which has their bodies from then on; see `seed`."""
    _refuse_twins(manifests)
    uids = dict(_uids_of_owners(manifests))
    for manifest in sorted((_joined(one, uids) for one in manifests), key=_place):
        _seed_one(tracker, manifest)


def newest_moment(items: Iterable[Manifest]) -> datetime | None:
    """Return the newest moment that objects of a server tell of, None if there is none."""
    restored = [body for body, _ in items if _uid(body)]
    return deeply(lambda: max((moment for body in restored for moment in _moments(body)), default=None))


def items_in(objects: Iterable[Mapping[str, Any] | Manifest]) -> list[Manifest]:
    """Return copies of objects, of lists item by item."""
    given = [one if isinstance(one, Manifest) else Manifest(one) for one in objects]
    return deeply(lambda: [item for body, where in given for item in items_of(plain_copy(body), where)])


def _place(manifest: Manifest) -> tuple[int, float]:
    body = manifest.body
    if body.get("kind") == CUSTOM_RESOURCE_DEFINITIONS.kind:
        return 0, 0
    if (body.get("apiVersion"), body.get("kind")) == (NAMESPACES.api_version, NAMESPACES.kind):
        return 1, 0
    if not _uid(body):
        return 3, 0
    version = str(_metadata(body).get("resourceVersion") or "")
    return 2, int(version) if re.fullmatch("[0-9]{1,20}", version) else math.inf


def _seed_one(tracker: Tracker, manifest: Manifest) -> None:
    body, where = manifest
    try:
        served = _served(tracker, body)
        if where and served.resource.namespaced:
            body = _in_a_namespace(body)
        _make_namespace(tracker, served, body)
        if _uid(body):
            tracker.restore(served.resource, body)
        else:
            _create(tracker, served, body)
    except (ApiError, ValueError) as error:
        if not where:
            raise
        meta = _metadata(body)
        key = "/".join(str(part) for part in (meta.get("namespace"), meta.get("name")) if part)
        what = " ".join(filter(None, (f"seed {where}:", str(body.get("kind") or "an object"), key)))
        raise ConfigError(f"{what}: {error}; mend the file, or leave the object out") from None


def _served(tracker: Tracker, body: Mapping[str, Any]) -> Strategy:
    """Return the kind of an object. Errors: ValueError."""
    version, kind = _text(body, "apiVersion"), _text(body, "kind")
    served = tracker.registry.find_kind(version, kind)
    if served is not None:
        return served
    what = f"seed an object of {version or 'no apiVersion'}, {kind or 'no kind'}"
    others = tracker.registry.versions_of(version.rpartition("/")[0], kind)
    if others:
        raise ValueError(f"{what}: here the kind is served as {' and '.join(others)}; print it, or write it, as such")
    if not (version and kind):
        raise ValueError(f"{what}: an object has both; write them")
    there = {one.lower(): one for one in tracker.registry.kinds_of(version)}
    meant = get_close_matches(kind.lower(), there, 1, cutoff=_LIKE_IT)
    if meant:
        raise ValueError(f"{what}: no such kind is registered; did you mean {there[meant[0]]}?")
    raise ValueError(
        f"{what}: no such kind is registered; seed its CustomResourceDefinition first, or serve it: world.serve(KIND)"
    )


def _in_a_namespace(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give an object of a file the namespace `default` if it names none, as kubectl does."""
    meta = body.get("metadata")
    if not (meta is None or isinstance(meta, Mapping)) or _metadata(body).get("namespace"):
        return body
    return {**body, "metadata": {**(meta or {}), "namespace": "default"}}


def _make_namespace(tracker: Tracker, served: Strategy, body: Mapping[str, Any]) -> None:
    namespace = _metadata(body).get("namespace")
    if not isinstance(namespace, str | None):
        raise ValueError(f"its metadata.namespace is of type {type(namespace).__name__}; write a text")
    if served.resource.namespaced and namespace:
        with contextlib.suppress(AlreadyExists):
            tracker.create(NAMESPACES, {"metadata": {"name": namespace}})


def _create(tracker: Tracker, served: Strategy, body: Mapping[str, Any]) -> None:
    resource = served.resource
    if not served.keeps_objects:
        raise ValueError("objects of this kind are answers, and stored nowhere; ask for one with world.client.create")
    namespace = _text(_metadata(body), "namespace") if resource.namespaced else ""
    action = Action(verb=Verb.CREATE, resource=resource, namespace=namespace, body=body, options=_STRICT)
    answer = tracker.call_own(action)
    has_status = served.has_status and body.get("status")
    if not has_status and resource.identity != NODES.identity:
        return
    made = Unstructured(decode(answer))
    if resource.identity == NODES.identity:  # it is no new one, of which nobody knows yet whether it is ready
        made = tracker.patch(resource, made.key, MergePatch({"spec": {"taints": body.get("spec", {}).get("taints")}}))
    if has_status:
        tracker.update(resource, made | {"status": body["status"]}, subresource="status")


def _refuse_twins(manifests: Iterable[Manifest]) -> None:
    """Refuse objects of one uid that are not the same one, which may stand there twice or at several versions."""
    found: dict[str, _Named] = {}
    for body, where in manifests:
        meta, uid = _metadata(body), _uid(body)
        this = _text(body, "kind"), _text(meta, "namespace"), _text(meta, "name")
        other = found.setdefault(uid, this) if uid else this
        if other != this:
            fact = f"{_shown(*other)} has the uid {uid}, too"
            raise ConfigError(f"seed {where or 'objects'}: {_shown(*this)}: {fact}; give it one of its own, or none")


def _shown(kind: str, namespace: str, name: str) -> str:
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


# ---- owners ---------------------------------------------------------------------------------------------------------


def _uids_of_owners(manifests: Iterable[Manifest]) -> Iterator[tuple[_Owner, str]]:
    """Yield the owners that objects name, each where it may be, with its uid."""
    for body, _ in manifests:
        meta = _metadata(body)
        owners = meta.get("ownerReferences")
        for owner in owners if isinstance(owners, list) else ():
            if isinstance(owner, Mapping):
                for namespace in (_text(meta, "namespace"), ""):
                    yield _owner(owner, namespace, owner), str(owner.get("uid") or "")


def _joined(manifest: Manifest, uids: Mapping[_Owner, str]) -> Manifest:
    """Give an object the uid by which others name it, if it says none."""
    body, meta = manifest.body, _metadata(manifest.body)
    uid = "" if _uid(body) else uids.get(_owner(body, _text(meta, "namespace"), meta), "")
    return manifest._replace(body={**body, "metadata": {**meta, "uid": uid}}) if uid else manifest


def _owner(kind: Mapping[str, Any], namespace: str, named: Mapping[str, Any]) -> _Owner:
    return _text(kind, "apiVersion").rpartition("/")[0], _text(kind, "kind"), namespace, _text(named, "name")


# ---- what an object says of itself ----------------------------------------------------------------------------------


def _metadata(body: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = body.get("metadata")
    return meta if isinstance(meta, Mapping) else {}


def _text(body: Mapping[str, Any], name: str) -> str:
    """A field as text; what is wrong with one that is none, is said when the object is stored."""
    return str(body.get(name) or "")


def _uid(body: Mapping[str, Any]) -> str:
    return str(_metadata(body).get("uid") or "")


def _moments(value: Any) -> Iterator[datetime]:
    """Yield the moments at which something has happened, wherever they stand."""
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        if name in _PAST and isinstance(item, str):
            with contextlib.suppress(ValueError):
                moment = datetime.fromisoformat(item)
                yield moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        elif isinstance(item, (Mapping, list)):
            yield from _moments(item)
