"""Admission: which plug-ins there are, in which order, and which are on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ctrlkit.errors import Forbidden, NotFound
from ctrlkit.fakes.cluster import Loop
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.admission import DEFAULT_PLUGINS, MUTATING, PLUGINS, VALIDATING
from ctrlkit.fakes.world.world import World
from ctrlkit.model import MergePatch, Options
from ctrlkit.model.kinds import CONFIG_MAPS, PERSISTENT_VOLUME_CLAIMS, PODS, RESOURCE_QUOTAS
from tests.support.objects import CONTAINERS

SERVER_ORDER = (
    "NamespaceLifecycle",
    "LimitRanger",
    "ServiceAccount",
    "TaintNodesByCondition",
    "Priority",
    "DefaultTolerationSeconds",
    "DefaultStorageClass",
    "StorageObjectInUseProtection",
    "PersistentVolumeClaimResize",
    "RuntimeClass",
    "CertificateApproval",
    "CertificateSigning",
    "CertificateSubjectRestriction",
    "DefaultIngressClass",
    "PodTopologyLabels",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionWebhook",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionWebhook",
    "ResourceQuota",
)
"""A server's plug-ins in its order, those of them that are imitated here or may be."""


def test_the_plugins_run_in_a_servers_order() -> None:
    for chain in (MUTATING, VALIDATING):
        places = [SERVER_ORDER.index(plugin.name) for plugin in chain.plugins]
        assert places == sorted(places)


@pytest.mark.parametrize("plugins", [DEFAULT_PLUGINS - {"Priority"}, frozenset[str]()])
def test_a_plugin_that_is_off_does_nothing(plugins: frozenset[str]) -> None:
    tracker = Tracker(plugins=plugins)
    pod = {"metadata": {"name": "p", "namespace": "default"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    assert "priority" not in tracker.create(PODS, pod)["spec"]


def test_without_namespace_lifecycle_objects_need_no_namespace() -> None:
    body = {"metadata": {"name": "c", "namespace": "nowhere"}}
    with pytest.raises(NotFound):
        Tracker().create(CONFIG_MAPS, body)
    assert Tracker(plugins=PLUGINS - {"NamespaceLifecycle"}).create(CONFIG_MAPS, body).key.namespace == "nowhere"


async def test_a_world_and_a_tracker_take_the_same_setting() -> None:
    quota = {"metadata": {"name": "q", "namespace": "default"}, "spec": {"hard": {"configmaps": "0"}}}
    limited = World(plugins=DEFAULT_PLUGINS)
    free = World(plugins=DEFAULT_PLUGINS - {"ResourceQuota"})
    for world in (limited, free):
        made = world.tracker.create(RESOURCE_QUOTAS, quota)
        status = {"hard": {"configmaps": "0"}, "used": {"configmaps": "0"}}
        world.tracker.update(RESOURCE_QUOTAS, made | {"status": status}, subresource="status")
    body = {"metadata": {"name": "c", "namespace": "default"}}
    with pytest.raises(Forbidden, match="exceeded quota"):
        limited.tracker.create(CONFIG_MAPS, body)
    assert free.tracker.create(CONFIG_MAPS, body, options=Options(dry_run=True)).key.name == "c"


def test_a_plugin_that_there_is_not_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="admission plug-ins Prioirty: there are none; there are"):
        Tracker(plugins=frozenset({"Prioirty"}))


@asynccontextmanager
async def with_quotas(**quotas: dict[str, Any]) -> AsyncIterator[World]:
    """A world with quotas whose controller has seen them."""
    async with World(cluster={Loop.QUOTAS}) as world:
        for name, spec in quotas.items():
            world.tracker.create(RESOURCE_QUOTAS, {"metadata": {"name": name, "namespace": "default"}, "spec": spec})
        await world.settle()
        yield world


def used(world: World, name: str) -> dict[str, str]:
    found: dict[str, str] = world.tracker.get(RESOURCE_QUOTAS, f"default/{name}")["status"]["used"]
    return found


def a_claim(name: str, size: str = "1Gi", **spec: Any) -> dict[str, Any]:
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": asked | spec}


def a_plain_pod(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"containers": CONTAINERS, **spec}}


async def test_a_quota_for_attributes_classes_counts_the_claims_that_name_one() -> None:
    one = {"scopeName": "VolumeAttributesClass", "operator": "In", "values": ["fast"]}
    quota = {"hard": {"persistentvolumeclaims": "1"}, "scopeSelector": {"matchExpressions": [one]}}
    async with with_quotas(fast=quota) as world:
        claims = PERSISTENT_VOLUME_CLAIMS
        world.tracker.create(claims, a_claim("a", volumeAttributesClassName="fast"))
        world.tracker.create(claims, a_claim("b", volumeAttributesClassName="slow"))
        world.tracker.create(claims, a_claim("c"))
        with pytest.raises(Forbidden, match="exceeded quota: fast, requested: persistentvolumeclaims=1"):
            world.tracker.create(claims, a_claim("d", volumeAttributesClassName="fast"))
        assert used(world, "fast") == {"persistentvolumeclaims": "1"}


async def test_a_pod_that_comes_into_the_scope_of_a_quota_is_counted_there() -> None:
    """By a deadline, which running pods may be given; other changes of pods are not counted."""
    quota = {"hard": {"pods": "1"}, "scopes": ["Terminating"]}
    async with with_quotas(short=quota) as world:
        for name in "ab":
            world.tracker.create(PODS, a_plain_pod(name))
        deadline = MergePatch({"spec": {"activeDeadlineSeconds": 60}})
        world.tracker.patch(PODS, "default/a", deadline)
        assert used(world, "short") == {"pods": "1"}
        world.tracker.patch(PODS, "default/a", MergePatch({"metadata": {"labels": {"a": "b"}}}))
        with pytest.raises(Forbidden, match="exceeded quota: short, requested: pods=1, used: pods=1, limited: pods=1"):
            world.tracker.patch(PODS, "default/b", deadline)


async def test_what_a_pod_asks_for_itself_decides_whether_it_is_best_effort() -> None:
    quota = {"hard": {"pods": "5"}, "scopes": ["BestEffort"]}
    async with with_quotas(least=quota) as world:
        world.tracker.create(PODS, a_plain_pod("a"))
        world.tracker.create(PODS, a_plain_pod("b", resources={"requests": {"cpu": "1"}}))
        assert used(world, "least") == {"pods": "1"}


async def test_a_claim_uses_whole_bytes_and_what_it_is_given_on_its_way_to_less() -> None:
    async with with_quotas(q={"hard": {"requests.storage": "10Gi"}}) as world:
        world.tracker.create(PERSISTENT_VOLUME_CLAIMS, a_claim("a", "1500m"))
        assert used(world, "q") == {"requests.storage": "2"}
        world.tracker.create(PERSISTENT_VOLUME_CLAIMS, a_claim("b", "1Gi"))
        given = MergePatch({"status": {"phase": "Bound", "allocatedResources": {"storage": "3Gi"}}})
        world.tracker.patch(PERSISTENT_VOLUME_CLAIMS, "default/b", given, subresource="status")
        await world.settle()
        assert used(world, "q") == {"requests.storage": "3221225474"}
