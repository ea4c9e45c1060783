"""What a World begins with: files as people write them, and what kubectl has printed on a cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit import clock
from ctrlkit.errors import ConfigError, Invalid
from ctrlkit.fakes import Tracker, World, seed
from ctrlkit.fakes.apiserver.yaml_text import to_yaml
from ctrlkit.fakes.cluster import ALL, Loop
from ctrlkit.fakes.manifests import read_manifests
from ctrlkit.model import custom_resource
from ctrlkit.model.kinds import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    DEPLOYMENTS,
    EVENTS,
    NAMESPACES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    REPLICASETS,
    SECRETS,
    SERVICES,
    STATEFULSETS,
)
from tests.support.calls import counted_calls

PRINTED = Path(__file__).parent / "printed"
"""What kubectl printed on a cluster of Kubernetes 1.36.3: a namespace with workloads, and a custom kind."""

WIDGETS = custom_resource(group="example.com", kind="Widget", plural="widgets")
Plain = dict[str, Any]


def without_version(body: Mapping[str, Any]) -> Plain:
    """An object, but for its version, which is each server's own."""
    metadata = {name: value for name, value in body["metadata"].items() if name != "resourceVersion"}
    return {**body, "metadata": metadata}


def held(tracker: Tracker) -> Iterator[Plain]:
    """All objects of a tracker, as kubectl prints them."""
    for kind in (CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES, CONFIG_MAPS, SECRETS, PODS, DEPLOYMENTS, SERVICES, WIDGETS):
        if tracker.registry.find(kind.group, kind.version, kind.plural):
            yield from (json.loads(json.dumps(one)) for one in tracker.list(kind))


@pytest.mark.parametrize("name", ["state.yaml", "managed.json", "pods.json"])
async def test_what_kubectl_printed_is_there_as_it_was(name: str) -> None:
    """Each object whole: uid, times, owners, finalizers, deletion, managedFields and status."""
    async with World(PRINTED / name) as world:
        for printed, _ in read_manifests(PRINTED / name):
            served = world.tracker.registry.find_kind(printed["apiVersion"], printed["kind"])
            assert served is not None
            metadata = printed["metadata"]
            key = f"{metadata['namespace']}/{metadata['name']}" if "namespace" in metadata else metadata["name"]
            assert without_version(world.tracker.get(served.resource, key)) == without_version(printed)


async def test_owners_are_joined_and_what_is_deleted_stays_held() -> None:
    """A pod belongs to its ReplicaSet, that to its Deployment; a finalizer still holds what was deleted."""
    async with World("printed/state.yaml", cluster=[Loop.GARBAGE]) as world:
        await world.advance("1h")
        (deployment,), (replica_set,) = world.tracker.list(DEPLOYMENTS), world.tracker.list(REPLICASETS)
        assert replica_set.at("metadata.ownerReferences")[0]["uid"] == deployment.metadata.uid
        owned = [pod for pod in world.tracker.list(PODS) if pod.at("metadata.labels.app") == "web"]
        assert {pod.at("metadata.ownerReferences")[0]["uid"] for pod in owned} == {replica_set.metadata.uid}
        assert world.tracker.get(PODS, "demo/placed").at("metadata.deletionTimestamp")
        widget = world.tracker.get(WIDGETS, "demo/w")
        assert widget.at("status.phase") == "Ready"
        widget["metadata"]["finalizers"] = []
        world.tracker.update(WIDGETS, widget)
        assert world.tracker.list(WIDGETS) == []


async def test_the_clock_is_set_to_what_the_objects_tell_of() -> None:
    """Nothing of them lies in the future, and no timer moves."""
    async with World() as world:
        assert clock.now() == datetime(2026, 1, 1, tzinfo=UTC)
        world.seed("printed/state.yaml")
        began = clock.now()
        assert datetime(2026, 11, 29, tzinfo=UTC) < began < datetime(2026, 11, 30, tzinfo=UTC)
        assert clock.monotonic() == 0.0
        world.seed({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "demo"}})
        assert world.tracker.get(CONFIG_MAPS, "demo/a").at("metadata.creationTimestamp") == clock.timestamp(began)


async def test_a_cluster_goes_on_with_what_it_is_given() -> None:
    """A Deployment that was scaled before the state was printed gets its third pod, on a node that is played."""
    priority = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 9}
    async with World("printed/state.yaml", priority, cluster=ALL, nodes=["n1"]) as world:
        web = world.tracker.get(DEPLOYMENTS, "demo/web")
        web["spec"]["replicas"] = 3
        world.tracker.update(DEPLOYMENTS, web)
        await world.advance("2m")
        assert world.tracker.get(DEPLOYMENTS, "demo/web").at("status.replicas") == 3


def test_what_is_there_already_is_replaced() -> None:
    """The namespace `default` is the cluster's."""
    tracker = Tracker()
    ours = tracker.get(NAMESPACES, "default")
    seed(tracker, {**ours, "metadata": {**ours["metadata"], "uid": "u1", "labels": {"a": "b"}}})
    assert tracker.get(NAMESPACES, "default").metadata.uid == "u1"
    assert tracker.get(NAMESPACES, "default").at("metadata.labels.a") == "b"


def test_an_owner_without_a_uid_has_that_of_its_dependents() -> None:
    """As where a tool has stripped what a server says."""
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "u1"}
    child = {"name": "data", "namespace": "demo", "uid": "u2", "ownerReferences": [owner]}
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": child,
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    labels = {"app": "db"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
    stateful_set = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "demo"},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    tracker = Tracker()
    seed(tracker, claim, stateful_set)
    assert tracker.get(STATEFULSETS, "demo/db").metadata.uid == "u1"
    assert tracker.get(STATEFULSETS, "demo/db").at("metadata.creationTimestamp")
    assert tracker.get(PERSISTENT_VOLUME_CLAIMS, "demo/data").metadata.uid == "u2"


VALUES = st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.text(max_size=8), max_size=3)
NAMES = st.from_regex(r"[a-z]{1,6}", fullmatch=True)


@given(
    objects=st.dictionaries(NAMES, VALUES, max_size=4),
    labels=st.dictionaries(NAMES, NAMES, max_size=2),
    finalizers=st.lists(st.just("example.com/hold"), max_size=1),
    sizes=st.lists(st.integers(min_value=0, max_value=9), max_size=2),
)
def test_what_is_printed_of_one_world_is_the_same_in_another(
    objects: dict[str, Plain], labels: dict[str, str], finalizers: list[str], sizes: list[int]
) -> None:
    """For any objects, as YAML and as JSON, in one list or in documents."""
    first = Tracker()
    definition = next(one.body for one in read_manifests(PRINTED / "state.yaml"))
    seed(first, definition)
    for name, data in objects.items():
        metadata = {"name": name, "namespace": "default", "labels": labels, "finalizers": finalizers}
        first.create(CONFIG_MAPS, {"metadata": metadata, "data": data})
        if name < "m":
            first.delete(CONFIG_MAPS, f"default/{name}")
    for number, size in enumerate(sizes):
        first.create(WIDGETS, {"metadata": {"name": f"w{number}", "namespace": "default"}, "spec": {"size": size}})
    printed = list(held(first))
    texts = [
        to_yaml({"apiVersion": "v1", "kind": "List", "items": printed}),
        b"---\n".join(to_yaml(one) for one in reversed(printed)),
        "\n".join(json.dumps(one, indent=4) for one in printed).encode(),
    ]
    for text in texts:
        second = Tracker()
        seed(second, *_read(text))
        assert [*map(without_version, held(second))] == [*map(without_version, printed)]


def _read(text: bytes) -> list[Any]:
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        file.write(text)
        file.flush()
        return list(read_manifests(file.name))


# ---- files ----------------------------------------------------------------------------------------------------------


def test_a_folder_is_read_by_the_names_of_its_files(tmp_path: Path) -> None:
    """Definitions and namespaces come first all the same; what is no manifest is left alone."""
    definition = next(one.body for one in read_manifests(PRINTED / "state.yaml"))
    (tmp_path / "a.yaml").write_text("{apiVersion: example.com/v1, kind: Widget, metadata: {name: w, namespace: demo}}")
    (tmp_path / "b.yml").write_text("{apiVersion: v1, kind: Namespace, metadata: {name: demo, labels: {a: b}}}")
    (tmp_path / "c.json").write_text(json.dumps(definition))
    (tmp_path / "notes.txt").write_text("kind: [")
    tracker = Tracker()
    seed(tracker, *read_manifests(tmp_path))
    assert tracker.get(WIDGETS, "demo/w").at("spec.size") is None
    assert tracker.get(NAMESPACES, "demo").at("metadata.labels.a") == "b"


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("22:22", "22:22"),
        ("0644", 420),
        ("0o644", 420),
        ("1e3", 1000.0),
        ("1_000", 1000),
        ("y", True),
        ("!!binary aGVsbG8=", "hello"),
        ("9" * 5_000, "9" * 5_000),
        ("yes", True),
        ("~", None),
        ("{1: a, true: b}", {"1": "a", "true": "b"}),
    ],
)
def test_yaml_is_read_as_kubernetes_reads_it(tmp_path: Path, text: str, means: object) -> None:
    """Not as Python's reader does, for which a port mapping is a number to the base of 60."""
    (tmp_path / "a.yaml").write_text(f"value: {text}")
    ((body, _),) = read_manifests(tmp_path / "a.yaml")
    assert body["value"] == means


UID = "uid: 6f2b7c3e-8c1f-4a86-9f1d-1d2c9f1f0b11"


def test_a_file_is_parsed_once_and_each_reader_has_objects_of_its_own(tmp_path: Path) -> None:
    """Each test seeds the same files; what one of them does with the objects, no other sees, and a new text is read."""
    file = tmp_path / "a.yaml"
    file.write_text("\n".join(f"---\nkind: Widget\nspec: {{number: {number}, list: [1]}}" for number in range(50)))
    with counted_calls() as first:
        objects = list(read_manifests(file))
    with counted_calls() as second:
        again = list(read_manifests(file))
    assert again == objects
    assert second.count * 5 < first.count
    for body, _ in objects:
        body["spec"]["list"].append(2)
    assert [body["spec"]["list"] for body, _ in read_manifests(file)] == [[1]] * 50
    file.write_text("kind: Widget")
    assert [body for body, _ in read_manifests(file)] == [{"kind": "Widget"}]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: 1\na: 2", "read the manifest .*state.yaml: it is no YAML: key 'a' is given twice"),
        ("{apiVersion: v1, kind: List, items: [1]}", "read item 1 of document 1 of .*state.yaml: it is of type int"),
        (
            "---\n---\n{apiVersion: policy/v1beta1, kind: PodDisruptionBudget, metadata: {name: a}}",
            "document 1 of .*state.yaml: PodDisruptionBudget a: .*: here the kind is served as policy/v1; print it",
        ),
        (
            "{apiVersion: extensions/v1beta1, kind: Ingress, metadata: {name: a}}",
            "here the kind is served as networking.k8s.io/v1",
        ),
        (
            "{apiVersion: example.com/v1, kind: Widget, metadata: {name: w, namespace: demo, " + UID + "}}",
            "Widget demo/w: .*no such kind is registered; seed its CustomResourceDefinition first",
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, " + UID + "}, date: {}}",
            'ConfigMap default/a: .*strict decoding error: unknown field "date".*; mend the file',
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, datta: {}}",
            'ConfigMap default/a: .*strict decoding error: unknown field "datta".*; mend the file',
        ),
        (
            "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 80}]}, status: {lod: 1}}",
            'Service default/a: .*strict decoding error: unknown field "status.lod".*; mend the file',
        ),
        (
            "{apiVersion: v1, kind: Pod, metadata: {name: a, " + UID + "}, spec: {containers: []}}",
            'Pod default/a: Pod "a" is invalid: spec.containers: Required value',
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, deletionTimestamp: '2026-01-01T00:00:00Z', "
            + UID
            + "}}",
            "metadata.deletionTimestamp: Invalid value: .* must not be set where no finalizer",
        ),
        (
            "{apiVersion: v1, kind: ComponentStatus, metadata: {name: a, " + UID + "}}",
            "ComponentStatus a: .*mend the file, or leave the object out",
        ),
    ],
)
async def test_what_no_server_has_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    """File, document, kind, name, the fact, and what to do about it."""
    path = tmp_path / "state.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        World(path)


OWNED = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, ownerReferences: %s}}"
MANAGED = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, " + UID + ", managedFields: [%s]}}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "read the manifests in .*state.yaml: there are no objects; see how it was written"),
        ("# nothing\n---\n---\n", "there are no objects"),
        ("{apiVersion: v1, kind: List}", "read document 1 of .*state.yaml: it has no items; write them as a list"),
        ("{apiVersion: v1, kind: PodList, items: {}}", "document 1 of .*state.yaml: its items are no list; write them"),
        (
            '{"kind": "APIResourceList", "apiVersion": "v1", "resources": []}',
            "APIResourceList: .*no such kind is registe",
        ),
        ("error: forbidden", "document 1 .* an object: .* no apiVersion, no kind: an object has both; write them"),
        ("{apiVersion: v1, kind: pod, metadata: {name: a}}", "pod a: .*no such kind is registered; did you mean Pod?"),
        ("{apiVersion: v1, kind: ConfigMap, metadata: [a]}", "unmarshal array into Go struct field ConfigMap.metadata"),
        ("{apiVersion: v1, kind: ConfigMap, metadata: a}", "unmarshal string into Go struct field ConfigMap.metadata"),
        ("{apiVersion: v1, kind: ConfigMap, metadata: null}", "ConfigMap default: .*name or generateName is required"),
        ("{apiVersion: v1, kind: ConfigMap}", "ConfigMap default: .*name or generateName is required"),
        (
            "{apiVersion: v1, kind: Pod, metadata: {name: [a], namespace: [b]}}",
            "its metadata.namespace is of type list",
        ),
        (OWNED % "a", "unmarshal string into Go struct field ObjectMeta.metadata.ownerReferences"),
        (OWNED % "{a: b}", "unmarshal object into Go struct field ObjectMeta.metadata.ownerReferences"),
        (OWNED % "[1]", "unmarshal number into Go struct field ObjectMeta.metadata.ownerReferences"),
        (OWNED % "[null]", "metadata.ownerReferences.kind: Invalid value"),
        (MANAGED % "{}", "metadata.managedFields: Invalid value: .*each entry has a manager, an operation"),
        (
            MANAGED % "{manager: a, operation: Move, apiVersion: v1, fieldsType: FieldsV1, fieldsV1: {}}",
            "managedFields: I",
        ),
        ("{apiVersion: v1, kind: ConfigMap, metadata: &m {name: a, labels: *m}}", "unknown anchor 'm' referenced"),
        ('{"apiVersion": "v1", "kind": "Pod", "kind": "Node"}', "key 'kind' is given twice in line 1"),
        (
            "{apiVersion: authentication.k8s.io/v1, kind: TokenReview, metadata: {name: a}, spec: {token: a}}",
            "TokenReview a: objects of this kind are answers, and stored nowhere",
        ),
        (
            "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: x, uid: u}"
            "}, {apiVersion: v1, kind: Node, metadata: {name: b, uid: u}}]}",
            "seed item 2 of document 1 of .*state.yaml: Node b: Pod x/a has the uid u, too; give it one of its own",
        ),
        (
            "{apiVersion: example.com/v1, kind: W, metadata: {name: a}, spec: " + "[" * 20_000 + "]" * 20_000 + "}",
            "exceeded max depth of 10000",
        ),
    ],
)
async def test_what_is_no_object_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    """Whatever stands in its place: it is never a traceback of ours, nor passed over."""
    path = tmp_path / "state.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        World(path)


@pytest.mark.parametrize("suffix", ["json", "yaml"])
async def test_an_object_of_many_levels_is_taken(tmp_path: Path, suffix: str) -> None:
    """As many as a server holds."""
    levels = '{"a": ' * 3_000 + "1" + "}" * 3_000
    path = tmp_path / f"deep.{suffix}"
    text = f'{{"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {{"name": "w"}}, "spec": {levels}}}'
    path.write_text(text if suffix == "json" else text.replace('"metadata":', "metadata:"))
    async with World(path, kinds=[WIDGETS]) as world:
        assert len(world.tracker.list(WIDGETS)) == 1


async def test_what_only_looks_like_a_list_is_an_object(tmp_path: Path) -> None:
    """A custom kind may end like one, and have a field `items`; a name makes it an object, or a name to be made."""
    lists = custom_resource(group="example.com", kind="PriceList", plural="pricelists")
    head = "apiVersion: example.com/v1\nkind: PriceList\n"
    (tmp_path / "a.yaml").write_text(
        f"{head}metadata: {{generateName: a-}}\nitems: []\n---\n{head}metadata: {{name: b}}"
    )
    async with World(tmp_path, kinds=[lists]) as world:
        assert len(world.tracker.list(lists)) == 2


async def test_an_empty_list_is_what_kubectl_prints_where_nothing_is(tmp_path: Path) -> None:
    """It is taken; so is an empty file beside others, and what is a folder is left alone."""
    (tmp_path / "a.yaml").write_text("")
    (tmp_path / "b.yaml").write_text("apiVersion: v1\nitems: []\nkind: List\nmetadata:\n  resourceVersion: ''\n")
    (tmp_path / "c.yaml").mkdir()
    async with World(tmp_path) as world:
        assert world.tracker.list(CONFIG_MAPS) == []


def test_what_is_in_no_namespace_has_none() -> None:
    """As on a server, which takes it away; a file's empty one is `default`."""
    tracker = Tracker()
    seed(tracker, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "namespace": "b", "uid": "u"}})
    assert tracker.get(NODES, "a").metadata.namespace == ""
    seed(tracker, *_read(b"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: ''}}"))
    assert tracker.get(CONFIG_MAPS, "default/a")


def test_an_object_that_was_printed_twice_is_one() -> None:
    """At two versions of its kind, too, or as an Event of either group."""
    tracker = Tracker()
    event = {"metadata": {"name": "e", "namespace": "demo", "uid": "u"}, "type": "Normal", "reason": "Done"}
    about = {"kind": "Pod", "namespace": "demo", "name": "a"}
    old = {"apiVersion": "v1", "kind": "Event", **event, "involvedObject": about}
    seed(tracker, old, {"apiVersion": "events.k8s.io/v1", "kind": "Event", **event, "regarding": about}, old)
    assert [one.metadata.uid for one in tracker.list(EVENTS)] == ["u"]


async def test_a_name_that_is_too_long_for_a_file_is_no_file() -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        World("x" * 300)


async def test_a_path_is_looked_for_beside_the_code_that_names_it(tmp_path: Path) -> None:
    async with World() as world:
        with pytest.raises(ConfigError, match=r"seed missing\.yaml: there is no such file in .*fakes/world, nor in "):
            world.seed("missing.yaml")
        with pytest.raises(ConfigError, match=r"give \*yaml.safe_load_all\(text\)"):
            world.seed("apiVersion: v1\nkind: List")
        with pytest.raises(ConfigError, match="it has no file whose name ends with"):
            world.seed(tmp_path)
        with pytest.raises(TypeError, match="it is neither an object nor a path"):
            world.seed(7)  # type: ignore[arg-type]


async def test_a_definition_in_a_file_is_applied(tmp_path: Path) -> None:
    """`define` takes what `seed` takes."""
    definition = dict(next(one.body for one in read_manifests(PRINTED / "state.yaml")))
    metadata = {"name": definition["metadata"]["name"]}
    (tmp_path / "crd.yaml").write_text(yaml.safe_dump({**definition, "metadata": metadata, "status": None}))
    async with World() as world:
        await world.define(tmp_path / "crd.yaml")
        assert await world.client.list(WIDGETS) == []


async def test_an_object_that_is_no_file_is_refused_as_a_server_does() -> None:
    """Its error needs no place."""
    with pytest.raises(Invalid, match='ConfigMap "A_b" is invalid'):
        World({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "A_b", "namespace": "demo", "uid": "u"}})
