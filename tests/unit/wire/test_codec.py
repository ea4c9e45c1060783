"""What the server sent decodes to the resource's type, and one bad object costs only itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

import attrs
import msgspec
import pydantic
import pytest

from ctrlkit.errors import ConfigError, DecodeError, Expired
from ctrlkit.fakes.clientset.clientset import plain_kind
from ctrlkit.model import Applied, Bookmark, Deleted, ObjectKey, ObjectMeta, Unstructured, to_plain
from ctrlkit.model.kinds import CONFIG_MAPS, PODS
from ctrlkit.wire.codec import Codec, codec_of
from tests.support.decoding import decode_list


class Spec(msgspec.Struct, frozen=True, rename="camel"):
    node_name: str = ""


class Pod(msgspec.Struct, frozen=True):
    metadata: ObjectMeta
    spec: Spec = Spec()


class PodWithoutMeta(msgspec.Struct, frozen=True):
    spec: Spec = Spec()


class OpenPod(msgspec.Struct):
    metadata: ObjectMeta
    spec: dict[str, Any]


@dataclass
class DataPod:
    metadata: ObjectMeta
    spec: Spec


class DictPod(TypedDict):
    spec: dict[str, str]


class ModelSpec(pydantic.BaseModel):
    node_name: str = pydantic.Field(default="", alias="nodeName")


class ModelPod(pydantic.BaseModel):
    metadata: ObjectMeta
    spec: ModelSpec = ModelSpec()


@attrs.define
class AttrsPod:
    metadata: ObjectMeta
    spec: Spec


TYPES: list[type[Any]] = [Unstructured, Pod, PodWithoutMeta, OpenPod, DataPod, DictPod, ModelPod, AttrsPod]


def _pod(name: str = "a", version: str = "7", node: object = "n1") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "demo", "resourceVersion": version, "managedFields": [{"x": 1}]},
        "spec": {"nodeName": node},
    }


def _line(kind: str, value: object) -> bytes:
    return msgspec.json.encode({"type": kind, "object": value})


def _list(*items: object, **metadata: str) -> bytes:
    return msgspec.json.encode({"kind": "PodList", "metadata": {"resourceVersion": "9", **metadata}, "items": items})


@pytest.mark.parametrize("python_type", TYPES)
def test_a_line_gives_metadata_and_value(python_type: type[Any]) -> None:
    """Whatever the type, the record has the key, the version and a value of that type."""
    codec = Codec(PODS.of(python_type))
    for kind, event_type in (("ADDED", Applied), ("MODIFIED", Applied), ("DELETED", Deleted)):
        event = codec.decode_line(_line(kind, _pod()))
        assert type(event) is event_type
        assert isinstance(event, Applied | Deleted)
        assert (event.record.key, event.record.version) == (ObjectKey("demo", "a"), "7")
        value = event.record.value
        node = to_plain(value)["spec"]["nodeName"]
        assert node == "n1"
        assert isinstance(value, dict if python_type is DictPod else python_type)


@pytest.mark.parametrize("python_type", TYPES)
def test_a_list_gives_the_same_as_lines(python_type: type[Any]) -> None:
    """An object decodes alike from a list, from a line and alone."""
    codec = Codec(PODS.of(python_type))
    snapshot, token = decode_list(codec, _list(_pod("a"), _pod("b"), **{"continue": "more"}))
    assert (snapshot.version, token) == ("9", "more")
    event = codec.decode_line(_line("ADDED", _pod("b")))
    assert isinstance(event, Applied)
    assert snapshot.records[1].meta == event.record.meta
    assert snapshot.records[1].value == event.record.value == codec.decode_object(msgspec.json.encode(_pod("b")))


@pytest.mark.parametrize("python_type", [Unstructured, OpenPod, DataPod, DictPod])
def test_a_mutable_value_is_private(python_type: type[Any]) -> None:
    """What one reader changes, the next look does not see."""
    event = Codec(PODS.of(python_type)).decode_line(_line("ADDED", _pod()))
    assert isinstance(event, Applied)
    first = event.record.value
    if isinstance(first, dict):
        first["spec"]["nodeName"] = "changed"
    else:
        first.spec = {}
    assert event.record.value != first
    assert event.record.value is not event.record.value


def test_a_frozen_struct_is_decoded_once() -> None:
    """All looks share the one value, and its metadata is the record's own where the type has it."""
    event = Codec(PODS.of(Pod)).decode_line(_line("ADDED", _pod()))
    assert isinstance(event, Applied)
    assert event.record.value is event.record.value
    assert event.record.value.metadata is event.record.meta


class Labels(msgspec.Struct, frozen=True):
    app: str = ""


class NarrowMeta(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    labels: Labels = Labels()


class PodWithOwnMeta(msgspec.Struct, frozen=True):
    metadata: NarrowMeta
    spec: Spec = Spec()


class PodWithRenamedMeta(msgspec.Struct, frozen=True):
    meta: ObjectMeta = msgspec.field(name="metadata")
    spec: Spec = Spec()


class PodWithOtherMetadata(msgspec.Struct, frozen=True):
    metadata: ObjectMeta | None = None
    spec: Spec = Spec()


@pytest.mark.parametrize("python_type", [PodWithOwnMeta, PodWithRenamedMeta, PodWithOtherMetadata, PodWithoutMeta])
def test_a_frozen_struct_without_the_usual_metadata_is_decoded_twice(python_type: type[Any]) -> None:
    """Once for the record's own, all of it, and once for the value; looks share the value all the same."""
    codec = Codec(PODS.of(python_type))
    pod = _pod()
    pod["metadata"]["labels"] = {"app": "net"}
    (listed,) = decode_list(codec, _list(pod))[0].records
    records = [listed]
    for kind in ("ADDED", "MODIFIED", "DELETED"):
        event = codec.decode_line(_line(kind, pod))
        assert isinstance(event, Applied | Deleted)
        records.append(event.record)
    for record in records:
        assert isinstance(record.meta, ObjectMeta)
        assert (record.key, record.version) == (ObjectKey("demo", "a"), "7")
        assert (record.meta.labels or {})["app"] == "net"
        assert record.value is record.value
        assert record.value == listed.value
        assert isinstance(record.value, python_type)


def test_items_of_a_list_get_back_what_servers_leave_out() -> None:
    """Lists of built-in kinds carry items without kind and apiVersion."""
    bare = {"metadata": {"name": "a"}}
    snapshot, _ = decode_list(Codec(PODS), _list(bare))
    assert snapshot.records[0].value == {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}


@pytest.mark.parametrize("items", [b"null", b"[]"])
def test_an_empty_list_has_no_records(items: bytes) -> None:
    """Go writes an empty list as null as well."""
    data = b'{"kind": "PodList", "metadata": {"resourceVersion": "3", "continue": ""}, "items": %s}' % items
    for python_type in (Unstructured, Pod):
        snapshot, token = decode_list(Codec(PODS.of(python_type)), data)
        assert (list(snapshot.records), snapshot.version, token) == ([], "3", "")


@pytest.mark.parametrize("python_type", [Pod, PodWithoutMeta, OpenPod, DataPod])
@pytest.mark.behaviour("B14", "R15")
def test_an_object_that_does_not_fit_costs_only_itself(python_type: type[Any]) -> None:
    """Its record is there, with key and version; looking at the value says what is wrong. The others are served."""
    bad = {**_pod("bad"), "spec": 5}
    codec = Codec(PODS.of(python_type))
    snapshot, _ = decode_list(codec, _list(_pod("a"), bad, _pod("c")))
    assert [record.key.name for record in snapshot.records] == ["a", "bad", "c"]
    assert snapshot.records[0].value
    assert snapshot.records[2].value
    event = codec.decode_line(_line("MODIFIED", bad))
    assert isinstance(event, Applied)
    for record in (snapshot.records[1], event.record):
        for _ in range(2):
            with pytest.raises(DecodeError, match=rf"decode pods demo/bad as {python_type.__name__}: .*spec"):
                _ = record.value
    with pytest.raises(DecodeError, match="demo/bad"):
        codec.decode_object(msgspec.json.encode(bad))


@pytest.mark.parametrize("python_type", [Pod, PodWithoutMeta])
@pytest.mark.parametrize("field", ["spec", "metadata.labels"])
def test_a_field_that_does_not_fit_has_its_own_path(python_type: type[Any], field: str) -> None:
    """The same from a list and from a watch, as users know it: nothing of what the object came in."""
    bad = _pod("bad")
    bad = {**bad, "spec": 5} if field == "spec" else {**bad, "metadata": {**bad["metadata"], "labels": 5}}
    codec = Codec(PODS.of(python_type))
    snapshot, _ = decode_list(codec, _list(bad))
    event = codec.decode_line(_line("MODIFIED", bad))
    assert isinstance(event, Applied)
    faults = {str(record.fault) for record in (*snapshot.records, event.record)}
    assert len(faults) == 1
    assert f"at `$.{field}`" in faults.pop()


@pytest.mark.parametrize("python_type", [Unstructured, Pod, PodWithoutMeta])
def test_bookmarks_move_the_version(python_type: type[Any]) -> None:
    """A bookmark is an object with little but a version; one annotation ends the initial events."""
    codec = Codec(PODS.of(python_type))
    bookmark = {"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": "50"}, "spec": {"containers": None}}
    assert codec.decode_line(_line("BOOKMARK", bookmark)) == Bookmark("50")
    annotations = {"k8s.io/initial-events-end": "true"}
    ended = {"kind": "Pod", "metadata": {"resourceVersion": "51", "annotations": annotations}}
    assert codec.decode_line(_line("BOOKMARK", ended)) == Bookmark("51", ends_initial_events=True)


@pytest.mark.parametrize("python_type", [Unstructured, Pod, PodWithoutMeta])
@pytest.mark.behaviour("B26")
def test_an_error_line_raises_its_error(python_type: type[Any]) -> None:
    """A 410 inside the stream always is a typed error."""
    status = {"kind": "Status", "metadata": {}, "status": "Failure", "code": 410, "reason": "Expired", "message": "old"}
    for body in (status, {key: value for key, value in status.items() if key != "metadata"}):
        with pytest.raises(Expired, match="old"):
            Codec(PODS.of(python_type)).decode_line(_line("ERROR", body))


@pytest.mark.parametrize("python_type", [Unstructured, Pod])
@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"<html>",
        b'{"type": "ADDED"}',
        b'{"type": "ADDED", "object": {"kind": "Pod", "metadata": {}}}',
        b'{"type": "ADDED", "object": {"kind": "Pod", "metadata": {"name": 5}}}',
        b'{"type": "SURPRISE", "object": {"kind": "Pod", "metadata": {"name": "a"}}}',
        b'{"type": "ERROR", "object": 5}',
    ],
)
def test_what_is_no_watch_line_is_refused(python_type: type[Any], line: bytes) -> None:
    """Broken JSON, an object without a name and an unknown type are DecodeErrors."""
    with pytest.raises(DecodeError, match="pods"):
        Codec(PODS.of(python_type)).decode_line(line)


@pytest.mark.parametrize("data", [b"", b"<html>", b"[]", b'{"metadata": 1}'])
def test_what_is_no_list_is_refused(data: bytes) -> None:
    """So are answers that are no list."""
    for python_type in (Unstructured, Pod):
        with pytest.raises(DecodeError, match="pods"):
            decode_list(Codec(PODS.of(python_type)), data)


def test_a_record_does_not_hold_the_page_it_came_in() -> None:
    """The bytes an unstructured record keeps are its own object's."""
    snapshot, _ = decode_list(Codec(PODS), _list(*[_pod(f"p{number}") for number in range(100)]))
    assert len(snapshot.records[0]._data) < 250


BAD_META = {"name": "a", "namespace": "demo", "resourceVersion": "7", "uid": "u", "labels": 5, "annotations": ["x"]}


@pytest.mark.parametrize("python_type", [Unstructured, Pod, PodWithoutMeta])
@pytest.mark.behaviour("B14")
def test_metadata_that_does_not_fit_costs_only_itself(python_type: type[Any]) -> None:
    """The object is there under its name, at its version, and says why it cannot be used."""
    codec = Codec(PODS.of(python_type))
    body = {"kind": "Pod", "metadata": BAD_META, "spec": {"containers": []}}
    told = [codec.decode_line(_line(kind, body)) for kind in ("ADDED", "DELETED")]
    assert [type(event) for event in told] == [Applied, Deleted]
    snapshot, _ = decode_list(codec, _list(_pod("fine"), body))
    records = [*(event.record for event in told if not isinstance(event, Bookmark)), snapshot.records[1]]
    for record in records:
        assert (str(record.key), record.version, record.meta.uid, record.meta.labels) == ("demo/a", "7", "u", None)
        assert record.fault is not None
        for _ in range(2):
            with pytest.raises(DecodeError, match="labels"):
                _ = record.value
    assert snapshot.records[0].fault is None


@pytest.mark.parametrize("python_type", [Unstructured, Pod])
@pytest.mark.behaviour("B14")
def test_items_without_a_name_are_told_beside_the_others(python_type: type[Any]) -> None:
    """Each with its version, where it has one."""
    nameless: list[dict[str, Any]] = [{"metadata": {"resourceVersion": "9"}}, {"metadata": {"name": 5}}, {}]
    snapshot, _ = decode_list(Codec(PODS.of(python_type)), _list(_pod("fine"), *nameless))
    assert [record.key.name for record in snapshot.records] == ["fine"]
    assert len(snapshot.unreadable) == 3
    assert snapshot.unreadable[0].version == "9"


@pytest.mark.parametrize("python_type", [Unstructured, Pod])
@pytest.mark.behaviour("B14")
def test_an_unreadable_line_tells_its_version_if_it_can(python_type: type[Any]) -> None:
    """So that a watch can move on after it."""
    codec = Codec(PODS.of(python_type))
    for line, version in (
        (_line("ADDED", {"kind": "Pod", "metadata": {"resourceVersion": "9"}}), "9"),
        (_line("ADDED", {"kind": "Pod", "metadata": {"resourceVersion": "9", "name": 5}}), "9"),
        (_line("SURPRISE", {"kind": "Pod", "metadata": {"resourceVersion": "9", "name": "a"}}), "9"),
        (b"<html>", ""),
    ):
        with pytest.raises(DecodeError) as caught:
            codec.decode_line(line)
        assert caught.value.version == version


@pytest.mark.behaviour("B14")
def test_wrong_utf8_in_a_name_is_no_reason_to_lose_the_object() -> None:
    """It is replaced."""
    body = b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a\xff","resourceVersion":"7"}}'
    event = Codec(PODS).decode_line(b'{"type":"ADDED","object":%b}' % body)
    assert isinstance(event, Applied)
    assert event.record.version == "7"


@pytest.mark.behaviour("B20")
def test_the_error_of_an_unusable_record_holds_nothing_else() -> None:
    """No frames, and with them no page of a list, however often somebody looks."""
    snapshot, _ = decode_list(Codec(PODS.of(Pod)), _list({"metadata": {"name": "a"}, "spec": 5}))
    fault = snapshot.records[0].fault
    assert fault is not None
    assert (fault.__traceback__, fault.__cause__, fault.__context__) == (None, None, None)
    lengths = []
    for _ in range(3):
        with pytest.raises(DecodeError):
            _ = snapshot.records[0].value
        frames, trace = 0, fault.__traceback__
        while trace is not None:
            frames, trace = frames + 1, trace.tb_next
        lengths.append(frames)
    assert len(set(lengths)) == 1


@pytest.mark.parametrize("kind", ["ADDED", "MODIFIED", "DELETED"])
@pytest.mark.parametrize("version", [None, "", 7])
@pytest.mark.parametrize("python_type", [Unstructured, Pod, OpenPod])
def test_a_change_without_a_version_is_told_as_unreadable(python_type: type[Any], kind: str, version: object) -> None:
    """Dropped in silence, a deletion would leave its object in the cache for ever."""
    line = _line(kind, {**_pod(), "metadata": {"name": "a", "namespace": "demo", "resourceVersion": version}})
    with pytest.raises(DecodeError, match="without a resourceVersion") as caught:
        Codec(PODS.of(python_type)).decode_line(line)
    assert not caught.value.version


def test_the_end_of_a_streamed_list_has_a_version() -> None:
    """What is told up to it would replace all that is known, and no watch could follow it."""
    metadata = {"annotations": {"k8s.io/initial-events-end": "true"}}
    with pytest.raises(DecodeError, match="the end of a streamed list without a resourceVersion"):
        Codec(PODS).decode_line(_line("BOOKMARK", {"kind": "Pod", "apiVersion": "v1", "metadata": metadata}))


class Lost(msgspec.Struct):
    host: Nowhere  # type: ignore[name-defined]  # noqa: F821


class HasLost(msgspec.Struct):
    metadata: ObjectMeta
    more: list[Lost] = []


def test_an_annotation_that_names_what_is_not_there_is_said_with_its_class() -> None:
    """As a schema says it."""
    with pytest.raises(ConfigError, match="fields of Lost: name 'Nowhere' is not defined; import what annotations"):
        Codec(CONFIG_MAPS.of(HasLost))


def test_a_shared_codec_is_of_the_type_that_is_asked_for() -> None:
    """The kind of a recorded write, which equals that of any Python type, leaves the others what they are."""
    pods, recorded = PODS.of(Pod), plain_kind(PODS.of(DictPod))
    assert recorded == pods
    assert codec_of(recorded).resource.type is DictPod
    assert codec_of(pods).resource.type is Pod
    assert codec_of(pods) is codec_of(PODS.of(Pod))
