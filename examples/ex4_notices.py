"""
4. A cluster-scoped kind: a Notice is copied into every namespace of its team, found by indexes.

    ctrlkit apiserver --kubeconfig kc examples/kinds.yaml examples/objects.yaml
    ctrlkit run examples.ex4_notices:build --kubeconfig kc
    kubectl --kubeconfig kc label namespace default team=blue; kubectl --kubeconfig kc get configmaps -A
"""

from __future__ import annotations

from typing import Any

import msgspec

from ctrlkit import (
    DONE,
    Controller,
    Manager,
    ObjectKey,
    ObjectMeta,
    Outcome,
    Record,
    Request,
    Scope,
    Watch,
    controller_reference,
    custom_resource,
    to_mapped,
    to_owner,
    to_self,
)
from ctrlkit.model.kinds import CONFIG_MAPS, NAMESPACES


class Spec(msgspec.Struct, frozen=True):
    """Whom to tell what."""

    team: str
    text: str


class Notice(msgspec.Struct, frozen=True):
    """The fields of a Notice that are used here."""

    metadata: ObjectMeta
    spec: Spec


NOTICES = custom_resource(group="demo.example.com", kind="Notice", plural="notices", scope=Scope.CLUSTER).of(Notice)


def build(manager: Manager) -> Controller:
    """Only the metadata of namespaces is asked for: their labels are all that matters."""
    notices, copies = manager.informer(NOTICES), manager.informer(CONFIG_MAPS)
    namespaces = manager.informer(NAMESPACES.metadata_only())
    notices.add_index("team", lambda notice: [notice.value.spec.team])
    namespaces.add_index("team", _team)
    copies.add_index("notice", lambda copy: [owner.name for owner in to_notice(copy)])

    def notices_of(namespace: Record[Any]) -> list[ObjectKey]:
        """A namespace that joins or leaves a team concerns the team's notices."""
        return [notice.key for team in _team(namespace) for notice in notices.lister.records_by_index("team", team)]

    async def reconcile(request: Request) -> Outcome:
        notice = notices.lister.find(request.key)
        if notice is None or notice.metadata.deleting:
            return DONE  # the garbage collector removes the copies
        team = namespaces.lister.records_by_index("team", notice.spec.team)
        wanted = {ObjectKey(namespace.key.name, f"notice-{request.name}") for namespace in team}
        have = {copy.key: copy for copy in copies.lister.records_by_index("notice", request.name)}
        data = {"text": notice.spec.text}
        owner = controller_reference(notice.metadata, NOTICES)
        for key in sorted(wanted):
            if key not in have or have[key].value.get("data") != data:
                fields = {"metadata": {"ownerReferences": [owner]}, "data": data}
                await manager.client.apply(CONFIG_MAPS, key, fields)
        for key in sorted(have.keys() - wanted):
            await manager.client.delete(CONFIG_MAPS, key)
        return DONE

    return Controller(
        name="notices",
        reconcile=reconcile,
        watches=[Watch(notices, to_self), Watch(copies, to_notice), Watch(namespaces, to_mapped(notices_of))],
    )


def _team(record: Record[Any]) -> list[str]:
    team = (record.meta.labels or {}).get("team")
    return [team] if team else []


to_notice = to_owner(NOTICES)
