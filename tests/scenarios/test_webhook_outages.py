"""The outages that webhooks are known for, and that they are outages no more."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ctrlkit import (
    DONE,
    Context,
    Denied,
    ObjectMeta,
    Outcome,
    Review,
    conversion,
    custom_resource,
    reconciler,
    validating,
)
from ctrlkit.crd import definition_of
from ctrlkit.errors import ApiError
from ctrlkit.fakes.cluster import ALL
from ctrlkit.fakes.world.world import World
from ctrlkit.model import Definition, MergePatch, Unstructured
from ctrlkit.model.kinds import DEPLOYMENTS, PODS, VALIDATING_WEBHOOK_CONFIGURATIONS

# ---- an operator whose webhook covers pods ---------------------------------------------------------------------------


@validating(PODS)
def labelled(pod: Unstructured, _review: Review[Unstructured]) -> None:
    """No pod without an owner's name."""
    if not pod.at("metadata.labels.team"):
        raise Denied("metadata.labels.team: say whose pod this is")


def deployment(namespace: str) -> dict[str, Any]:
    """Two replicas, with the label that the webhook asks for."""
    labels = {"app": "operator", "team": "platform"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "operator", "image": "operator:1"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "operator"}}, "template": template}
    metadata = {"name": "operator", "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def ready(world: World, namespace: str) -> int:
    """How many replicas are ready."""
    return int(world.tracker.get(DEPLOYMENTS, f"{namespace}/operator").at("status.readyReplicas") or 0)


@pytest.mark.parametrize("guarded", [True, False])
async def test_an_operator_whose_webhook_covers_pods_restarts_all_its_replicas_and_comes_back(guarded: bool) -> None:
    """
    Its own pods are not asked about, so they start though nobody could answer.

    Without the selector that leaves them out, they never would: the webhook needs a pod, and the pod the webhook.
    """
    async with World(deployment("operators"), deployment("shop"), cluster=ALL) as world:
        replicas = [world.manage(labelled, name=name) for name in ("first", "second")]
        await world.until(lambda: ready(world, "operators") == ready(world, "shop") == 2)
        if not guarded:
            (configuration,) = world.tracker.list(VALIDATING_WEBHOOK_CONFIGURATIONS)
            hooks = [{**hook, "namespaceSelector": {}} for hook in configuration["webhooks"]]
            world.tracker.patch(VALIDATING_WEBHOOK_CONFIGURATIONS, configuration.key, MergePatch({"webhooks": hooks}))
        for replica in replicas:
            await world.crash(replica)
        for namespace in ("operators", "shop"):
            for pod in world.tracker.list(PODS, namespace):
                await world.client.delete(PODS, pod.key)
        await world.pass_time("10m")
        assert (ready(world, "operators"), ready(world, "shop")) == (2 if guarded else 0, 0)
        if guarded:
            for replica in replicas:
                world.restart(replica)
            await world.until(lambda: ready(world, "shop") == 2, within="1h")


# ---- a conversion that is down while caches list ---------------------------------------------------------------------


class Old(msgspec.Struct, frozen=True):
    """v1."""

    metadata: ObjectMeta
    spec: dict[str, int]


class New(msgspec.Struct, frozen=True):
    """v2."""

    metadata: ObjectMeta
    spec: dict[str, int]


OLD = custom_resource(
    group="example.com", version="v1", kind="Cache", plural="caches", definition=Definition(storage=False)
).of(Old)
NEW = custom_resource(
    group="example.com", version="v2", kind="Cache", plural="caches", definition=Definition(storage=True)
).of(New)


@conversion(OLD, to=NEW)
def upgrade(cache: Old) -> New:
    return New(metadata=cache.metadata, spec={"replicas": cache.spec["size"]})


@conversion(NEW, to=OLD)
def downgrade(cache: New) -> Old:
    return Old(metadata=cache.metadata, spec={"size": cache.spec["replicas"]})


async def test_a_conversion_that_is_down_keeps_caches_waiting_until_it_is_back() -> None:
    """They say what they wait for, read nothing wrong, and fill when it answers again."""
    seen: list[int] = []

    @reconciler(OLD)
    async def count(cache: Old, _context: Context) -> Outcome:
        seen.append(cache.spec["size"])
        return DONE

    async with World() as world:
        await world.define(definition_of(OLD, NEW))
        converter = world.manage([upgrade, downgrade], name="converter")
        body = {"metadata": {"name": "a", "namespace": "default"}, "spec": {"replicas": 3}}
        await world.client.create(NEW.of(Unstructured), body)
        await world.crash(converter)
        with pytest.raises(ApiError, match=r"conversion webhook for example.com/v2, Kind=Cache failed"):
            await world.client.get(OLD, "default/a")
        manager = world.manage(count, name="counter")
        await world.pass_time("30s")
        (informer,) = manager.informers
        assert (informer.has_synced(), seen) == (False, [])
        assert "conversion webhook" in str(informer.last_error)
        assert "connection refused" in str(informer.last_error)
        world.restart(converter)
        await world.settle()
        assert seen == [3]


async def test_a_program_that_converts_what_it_caches_starts_by_itself() -> None:
    """Its webhooks answer before its caches fill, and after they have ended."""

    @reconciler(OLD)
    async def count(_cache: Old, _context: Context) -> Outcome:
        return DONE

    async with World() as world:
        await world.define(definition_of(OLD, NEW))
        program = world.manage([count, upgrade, downgrade])
        body = {"metadata": {"name": "a", "namespace": "default"}, "spec": {"replicas": 3}}
        await world.client.create(NEW.of(Unstructured), body)
        await world.settle()
        await world.crash(program)
        again = world.restart(program)
        await world.settle()
        (informer,) = again.informers
        assert [cache.spec for cache in informer.lister.list()] == [{"size": 3}]
