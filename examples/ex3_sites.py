"""
3. A Site has a page in the cluster and a name outside of it: finalizer, status conditions, an owned child.

    ctrlkit apiserver --kubeconfig kc examples/kinds.yaml examples/objects.yaml
    ctrlkit run examples.ex3_sites:build --kubeconfig kc
    kubectl --kubeconfig kc get sites; kubectl --kubeconfig kc delete site shop
"""

from __future__ import annotations

import msgspec

from ctrlkit import (
    DONE,
    Condition,
    Controller,
    Finalizers,
    Manager,
    MergePatch,
    ObjectMeta,
    Outcome,
    Request,
    RequeueAfter,
    Watch,
    controller_reference,
    create_or_patch,
    custom_resource,
    set_conditions,
    to_owner,
    to_self,
)
from ctrlkit.model import to_plain
from ctrlkit.model.kinds import CONFIG_MAPS


class Spec(msgspec.Struct, frozen=True):
    """What a user writes."""

    host: str


class Status(msgspec.Struct, frozen=True):
    """What the controller found."""

    conditions: tuple[Condition, ...] = ()


class Site(msgspec.Struct, frozen=True):
    """The fields of a Site that are used here."""

    metadata: ObjectMeta
    spec: Spec
    status: Status = Status()


SITES = custom_resource(group="demo.example.com", kind="Site", plural="sites").of(Site)


class Names:
    """Stands for a name service: each host has one owner, each owner one host."""

    def __init__(self) -> None:
        self.hosts: dict[str, str] = {}

    async def take(self, host: str, owner: str) -> bool:
        """Give the owner this host and no other; whether it was free."""
        if any(taken == host and other != owner for other, taken in self.hosts.items()):
            return False
        self.hosts[owner] = host
        return True

    async def give_back(self, owner: str) -> None:
        """Free what the owner has."""
        self.hosts.pop(owner, None)


def build(manager: Manager, names: Names | None = None) -> Controller:
    """The cluster deletes the page with its Site; the name is ours to give back, so the deletion waits for that."""
    service = Names() if names is None else names
    sites, pages = manager.informer(SITES), manager.informer(CONFIG_MAPS)
    finalizers: Finalizers[Site] = Finalizers(manager.client, SITES)

    async def give_back(site: Site) -> Outcome:
        await service.give_back(site.metadata.uid)
        return DONE

    finalizers.register("demo.example.com/name", give_back)

    async def reconcile(request: Request) -> Outcome:
        site = sites.lister.find(request.key)
        if site is None:
            return DONE
        ending = await finalizers.handle(site)
        if ending is not None:
            return ending
        owner = controller_reference(site.metadata, SITES)
        metadata = {"name": request.name, "namespace": request.namespace, "ownerReferences": [owner]}
        page = {"metadata": metadata, "data": {"index.html": f"<h1>{site.spec.host}</h1>"}}
        await create_or_patch(manager.client, CONFIG_MAPS, page, current=pages.lister.find(request.key))
        is_ours = await service.take(site.spec.host, site.metadata.uid)
        ready = (
            Condition(type="Ready", status="True", reason="Named", message=f"{site.spec.host} leads here")
            if is_ours
            else Condition(type="Ready", status="False", reason="HostTaken", message="another site has this host")
        )
        conditions = set_conditions(site.status.conditions, [ready], generation=site.metadata.generation)
        if conditions != site.status.conditions:
            status = MergePatch({"status": {"conditions": to_plain(conditions)}})
            await manager.client.patch(SITES, request.key, status, subresource="status")
        return DONE if is_ours else RequeueAfter(60)

    return Controller(name="sites", reconcile=reconcile, watches=[Watch(sites, to_self), Watch(pages, to_owner(SITES))])
