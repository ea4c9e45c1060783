"""Admission: which plug-ins there are, in which order, and which are on."""

from __future__ import annotations

import pytest

from ctrlkit.errors import Forbidden, NotFound
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.admission import DEFAULT_PLUGINS, MUTATING, PLUGINS, VALIDATING
from ctrlkit.fakes.world.world import World
from ctrlkit.model import Options
from ctrlkit.model.kinds import CONFIG_MAPS, PODS, RESOURCE_QUOTAS

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
