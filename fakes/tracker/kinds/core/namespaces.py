"""Namespaces: a label with their name, a finalizer in their spec, and a deletion that only marks them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ctrlkit import clock
from ctrlkit.fakes.tracker import exchanges
from ctrlkit.fakes.tracker.kinds.deletion import finalizers_after, with_finalizers, write_marked
from ctrlkit.fakes.tracker.kinds.metadata import finalizer_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object, Part, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause, forbidden
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.store import Stored
from ctrlkit.model import Options

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.core import Core


_NAME_LABEL = "kubernetes.io/metadata.name"
_FINALIZER = "kubernetes"
_STANDARD_FINALIZERS = (_FINALIZER, "orphan", "foregroundDeletion")
_IMMORTAL = frozenset({"default", "kube-system", "kube-public"})


def _begin(plain: Plain) -> None:
    finalizers = plain["spec"].get("finalizers") or []
    plain["spec"]["finalizers"] = [*finalizers, *([_FINALIZER] if _FINALIZER not in finalizers else [])]


def _keep(plain: Plain, old: Object) -> None:
    _label(plain)
    finalizers = (old.get("spec") or {}).get("finalizers")
    plain["spec"] = {**plain["spec"], **({"finalizers": finalizers} if finalizers else {})}


def _label(plain: Plain) -> None:
    """Label a namespace with its name, once it has one: of a generated name that is when it is stored."""
    metadata = plain["metadata"]
    if name := metadata.get("name"):
        plain["metadata"] = {**metadata, "labels": {**(metadata.get("labels") or {}), _NAME_LABEL: name}}


def _finalized(theirs: Object, old: Object) -> Plain:
    """The stored namespace with the finalizers, labels and annotations that were sent."""
    finalizers = (theirs.get("spec") or {}).get("finalizers") or []
    spec = {name: value for name, value in old["spec"].items() if name != "finalizers"}
    plain = {**old, "metadata": theirs["metadata"], "spec": spec | ({"finalizers": finalizers} if finalizers else {})}
    _label(plain)
    return plain


def _finalizer_causes(plain: Object, _old: Object) -> list[Cause]:
    return finalizer_causes(plain["spec"].get("finalizers") or (), "spec.finalizers", (_FINALIZER,))


def _causes(namespace: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None:
        return
    for name in namespace["spec"].get("finalizers") or ():
        complaints = formats.label_key(name)
        yield from Cause.all_wrong("spec.finalizers", name, complaints)
        if "/" not in name and name not in _STANDARD_FINALIZERS:
            text = "name is neither a standard finalizer name nor is it fully qualified"
            yield Cause.wrong("spec.finalizers", name, text)


def _is_held(plain: Object) -> bool:
    return bool((plain.get("spec") or {}).get("finalizers"))


def _delete(core: Core, strategy: Strategy, stored: Stored, options: Options) -> tuple[Stored, bool]:
    """Mark a namespace as deleted; the loop that empties it removes its last finalizer."""
    if stored.key.name in _IMMORTAL:
        raise forbidden(strategy.resource, stored.key.name, "this namespace may not be deleted")
    if stored.metadata.get("deletionTimestamp"):
        return stored, True
    meta = stored.metadata | {"deletionTimestamp": clock.timestamp(exchanges.now())}
    status = (stored.plain.get("status") or {}) | {"phase": "Terminating"}
    meta = with_finalizers(meta, finalizers_after(meta, options.propagation_policy))
    return write_marked(core, strategy, stored, stored.plain | {"metadata": meta, "status": status}, options), True


def _cells(namespace: Object, now: datetime) -> list[Any]:
    return [name_of(namespace), section(namespace, "status").get("phase", ""), age_of(namespace, now)]


NAMESPACES = Strategy(
    selectable_fields=("status.phase",),
    name_rule=formats.dns_label,
    first_status={"phase": "Active"},
    defaults=_label,
    begin=_begin,
    keep=_keep,
    parts={"finalize": Part(_finalized, _finalizer_causes, keeps_metadata=False, resets=("status",))},
    validate=_causes,
    cells=_cells,
    delete=_delete,
    is_held=_is_held,
)
