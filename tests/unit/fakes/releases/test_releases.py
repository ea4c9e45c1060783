"""The releases whose API servers are imitated: what each serves, and what it does not know."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from ctrlkit.client import Client
from ctrlkit.errors import BadRequest, Invalid, NotFound
from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL
from ctrlkit.fakes.releases import NAMES, NEWEST, openapi_document, release
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.notices import noticed
from ctrlkit.model import Options, Unstructured
from ctrlkit.model.kinds import BUILT_IN, MUTATING_ADMISSION_POLICIES, PODS, SERVICE_ACCOUNTS

STRICT = Options(field_validation="Strict")


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_a_release_has_a_type_columns_and_a_document(name: str) -> None:
    """Kinds that cannot be listed have no columns."""
    for kind in release(name).kinds:
        assert kind.type in release(name).types
        assert bool(kind.columns) is ("list" in kind.verbs)
        root = f"apis/{kind.api_version}" if kind.group else "api/v1"
        assert openapi_document(name, root)


def test_the_model_has_each_kind_of_the_newest_release_once() -> None:
    """Each kind that is stored, at the version that is preferred."""
    newest = Tracker().registry
    assert {newest.find(one.group, one.version, one.plural) is not None for one in BUILT_IN} == {True}
    stored = {(one.group, one.plural) for one in release(NEWEST).kinds if one.storage_hash}
    assert {one.identity for one in BUILT_IN} == stored - {("events.k8s.io", "events")}


def test_an_older_release_lacks_what_came_later() -> None:
    """Kinds, fields and columns; an unknown field is refused in the words for any other."""
    newer, older = Tracker(), Tracker(server="1.34")
    assert newer.list(MUTATING_ADMISSION_POLICIES) == []
    with pytest.raises(NotFound):
        older.list(MUTATING_ADMISSION_POLICIES)

    spec = {"containers": [{"name": "a", "image": "img:1"}], "schedulingGroup": {"podGroupName": "g"}}
    pod = {"metadata": {"name": "a", "namespace": "default"}, "spec": spec}
    newer.create(PODS, pod, STRICT)
    with pytest.raises(BadRequest, match=r'unknown field "spec\.schedulingGroup"'):
        older.create(PODS, pod, STRICT)

    columns = {
        server: [column.name for column in found.facts.columns]
        for server in NAMES
        if (found := Tracker(server=server).registry.find("", "v1", SERVICE_ACCOUNTS.plural)) and found.facts
    }
    assert columns == {"1.36": ["Name", "Age"], "1.34": ["Name", "Secrets", "Age"]}


def test_an_older_release_drops_fields_of_features_that_were_off() -> None:
    """Its server reads them, so that they must fit, and says nothing; what needs one of them is refused without it."""
    container: dict[str, Any] = {"name": "a", "image": "img:1"}

    def made(server: str, name: str, **spec: Any) -> Unstructured:
        pod = {"metadata": {"name": name, "namespace": "default"}, "spec": {"containers": [container], **spec}}
        return Tracker(server=server).create(PODS, pod, STRICT)

    with noticed() as texts:
        assert made("1.36", "a", hostnameOverride="web").at("spec.hostnameOverride") == "web"
        assert made("1.34", "a", hostnameOverride="A_b").at("spec.hostnameOverride") is None
    assert not texts
    with pytest.raises(BadRequest, match=r"PodSpec\.spec\.hostnameOverride of type string"):
        made("1.34", "a", hostnameOverride=3)
    container["env"] = [{"name": "A", "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "p", "key": "k"}}}]
    with pytest.raises(Invalid, match="valueFrom"):
        made("1.34", "a", volumes=[{"name": "v", "emptyDir": {}}])


@pytest.mark.parametrize("server", NAMES)
async def test_a_world_is_a_server_of_a_release(server: str) -> None:
    async with World(server=server) as world:
        assert isinstance(world.client, Client)
        assert world.tracker.registry.release == release(server).version == server


@pytest.mark.parametrize("server", NAMES)
async def test_a_cluster_of_any_release_runs_all_its_loops(server: str) -> None:
    """Its caches are of the kinds that the release has, so none of them fails."""
    with capture_logs() as lines:
        async with World(server=server, cluster=ALL) as world:
            await world.settle()
            assert world.tracker.get(SERVICE_ACCOUNTS, "default/default")
    assert not [line for line in lines if line["log_level"] in ("warning", "error")]


def test_an_unknown_release_is_refused_with_the_choices() -> None:
    with pytest.raises(
        ValueError, match=r"no API server of release '1\.99' is imitated: the releases are 1\.36, 1\.34"
    ):
        Tracker(server="1.99")
