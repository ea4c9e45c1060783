"""The table of what an answer means: each row, to each verb."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from ctrlkit.errors import ApiError, DecodeError, Expired, NotFound, ServiceUnavailable
from ctrlkit.model import Action, Applied, Deleted, ObjectMeta, Resource, Unstructured, Verb, custom_resource
from ctrlkit.model.kinds import PODS
from ctrlkit.wire.answers import ACCEPTED, AnswerKind, Expected, Question, check_answer
from ctrlkit.wire.codec import Codec
from tests.support.decoding import decode_list

STATUS = {"kind": "Status", "apiVersion": "v1", "metadata": {}}
POD = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a", "namespace": "demo", "resourceVersion": "7"}}
PARTIAL = {**POD, "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
LIST = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "items": [{**POD}]}
PARTIAL_LIST = {**LIST, "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "items": [PARTIAL]}
SUCCESS = {**STATUS, "status": "Success", "details": {"uid": "u"}}

CAME: dict[AnswerKind, tuple[object, ...]] = {
    AnswerKind.FAILURE: (
        {**STATUS, "status": "Failure", "code": 503},
        {**STATUS, "code": 503},
        {**STATUS, "status": "Unknown", "code": 503},
        {"kind": "Status", "apiVersion": None, "status": "Failure", "reason": "ServiceUnavailable"},
        {**STATUS, "status": "Failure", "reason": "ServiceUnavailable", "code": "x", "details": [], "metadata": 5},
        {"kind": "Status", "apiVersion": "meta.k8s.io/v1", "status": "Failure", "code": 503},
    ),
    AnswerKind.SUCCESS: (SUCCESS, {"kind": "Status", "status": "Success", "metadata": 5, "details": "x"}),
    AnswerKind.OBJECT: (POD, {**POD, "apiVersion": None}, {"kind": "Pod", "metadata": POD["metadata"]}),
    AnswerKind.METADATA: (PARTIAL,),
    AnswerKind.LIST: (LIST, {**LIST, "items": None}, {**LIST, "kind": "List"}, {**LIST, "items": []}),
    AnswerKind.METADATA_LIST: (PARTIAL_LIST,),
    AnswerKind.OTHER: (
        {**POD, "kind": "Secret"},
        {**POD, "apiVersion": "v2"},
        {**LIST, "kind": "SecretList"},
        {**LIST, "apiVersion": "v2"},
        {**LIST, "kind": "Table", "apiVersion": "meta.k8s.io/v1"},
        {**STATUS, "apiVersion": "demo.example.com/v1", "status": "Failure"},
        {**PARTIAL, "apiVersion": "meta.k8s.io/v9"},
    ),
    AnswerKind.NOTHING: (
        b"",
        b"  \n",
        b"<html><body>Bad gateway",
        b"upstream connect error",
        b"null",
        b"5",
        b"[]",
        b"{}",
        {**POD, "kind": ""},
        {**POD, "kind": None},
        {**POD, "kind": 5},
        {"metadata": POD["metadata"]},
        {"metadata": LIST["metadata"], "items": []},
        msgspec.json.encode(POD)[:-1],
        msgspec.json.encode(LIST)[:60],
        msgspec.json.encode(POD).decode().encode("utf-16"),
        b"\xef\xbb\xbf" + msgspec.json.encode(POD),
        b"\x1f\x8b\x08\x00\x00",
        b"[" * 10_000,
    ),
}
PARTIALS = PODS.metadata_only()
BINDINGS = Resource(type=Unstructured, kind="Binding", plural="bindings")
ASKED: dict[Expected, tuple[Action, ...]] = {
    Expected.OBJECT: tuple(
        Action(verb=verb, resource=PODS, namespace="demo", name="a", subresource=subresource)
        for verb in (Verb.GET, Verb.CREATE, Verb.UPDATE, Verb.PATCH)
        for subresource in ("", "status")
    ),
    Expected.METADATA: tuple(
        Action(verb=verb, resource=PARTIALS, namespace="demo", name="a") for verb in (Verb.GET, Verb.PATCH)
    ),
    Expected.LIST: (Action(verb=Verb.LIST, resource=PODS),),
    Expected.METADATA_LIST: (Action(verb=Verb.LIST, resource=PARTIALS),),
    Expected.END: (
        Action(verb=Verb.DELETE, resource=PODS, namespace="demo", name="a"),
        Action(verb=Verb.DELETE, resource=PARTIALS, namespace="demo", name="a"),
    ),
    Expected.ENDS: (Action(verb=Verb.DELETE_COLLECTION, resource=PODS, namespace="demo"),),
    Expected.OTHER_FORM: (
        Action(verb=Verb.CREATE, resource=BINDINGS, namespace="demo", name="a"),
        Action(verb=Verb.CREATE, resource=PODS, namespace="demo", name="a", subresource="eviction"),
        Action(verb=Verb.GET, resource=PODS, namespace="demo", name="a", subresource="proxy"),
    ),
}


def _bytes(body: object) -> bytes:
    return body if isinstance(body, bytes) else msgspec.json.encode(body)


def _answer(action: Action) -> Callable[[bytes], object]:
    """What reads the answer to a call, as the client does."""
    if action.verb is Verb.LIST:
        return functools.partial(decode_list, Codec(action.resource))
    return lambda data: check_answer(action, data)


@pytest.mark.parametrize("want", Expected)
@pytest.mark.parametrize("came", AnswerKind)
def test_each_row_means_what_the_table_says(came: AnswerKind, want: Expected) -> None:
    """To each verb: the answer, its ApiError, or a DecodeError that says what was tried."""
    for action in ASKED[want]:
        for body in CAME[came]:
            read = _answer(action)
            if came is AnswerKind.FAILURE:
                with pytest.raises(ServiceUnavailable):
                    read(_bytes(body))
            elif came in ACCEPTED[want]:
                read(_bytes(body))
            else:
                with pytest.raises(DecodeError, match=f"^{action.verb} {action.resource}.*: what came is"):
                    read(_bytes(body))


def test_every_want_is_asked_and_every_row_tried() -> None:
    """The table has no row without a test."""
    assert set(ASKED) == set(ACCEPTED) == set(Expected)
    assert set(CAME) == set(AnswerKind)
    asked = {
        Question.about(action.resource, action.verb, action.subresource).want for action in sum(ASKED.values(), ())
    }
    assert asked == set(Expected)


@pytest.mark.parametrize("verb", [Verb.GET, Verb.UPDATE, Verb.PATCH, Verb.DELETE])
def test_an_answer_about_another_object_is_none(verb: Verb) -> None:
    """A cache between us and the server may answer with what somebody else asked for."""
    action = Action(verb=verb, resource=PODS, namespace="demo", name="b")
    with pytest.raises(DecodeError, match="what came is the Pod 'demo/a'"):
        check_answer(action, msgspec.json.encode(POD))
    elsewhere = {**POD, "metadata": {"name": "b", "namespace": "other"}}
    with pytest.raises(DecodeError, match="what came is the Pod 'other/b'"):
        check_answer(action, msgspec.json.encode(elsewhere))
    with pytest.raises(DecodeError, match="what came is the Pod ''"):
        check_answer(action, msgspec.json.encode({**POD, "metadata": {}}))
    for body in ({**POD, "metadata": None}, {"kind": "Pod", "apiVersion": "v1"}):
        with pytest.raises(DecodeError, match="what came is a Pod without metadata"):
            check_answer(action, msgspec.json.encode(body))


def test_the_end_of_another_object_is_none() -> None:
    """A Status that says whose end it tells of has to tell of the one that was asked for."""
    action = Action(verb=Verb.DELETE, resource=PODS, namespace="demo", name="b")
    success = {"kind": "Status", "apiVersion": "v1", "status": "Success"}
    for details in ({}, {"uid": "7"}, {"name": "b", "kind": "pods"}, {"name": None}):
        check_answer(action, msgspec.json.encode({**success, "details": details}))
    with pytest.raises(DecodeError, match="what came is a Status about 'a'"):
        check_answer(action, msgspec.json.encode({**success, "details": {"name": "a", "kind": "pods"}}))


def test_a_generated_name_is_the_servers() -> None:
    """Nobody asked for one."""
    action = Action(verb=Verb.CREATE, resource=PODS, namespace="demo")
    metadata = check_answer(action, msgspec.json.encode(POD)).head.metadata
    assert metadata is not None
    assert metadata.name == "a"


def test_a_scale_is_one() -> None:
    """Whatever the kind it belongs to."""
    action = Action(verb=Verb.GET, resource=PODS, namespace="demo", name="a", subresource="scale")
    check_answer(action, msgspec.json.encode({**POD, "kind": "Scale", "apiVersion": "autoscaling/v1"}))
    for body in (POD, {**POD, "kind": "Scale", "apiVersion": "apps/v1"}):
        with pytest.raises(DecodeError, match=r"not a Scale of autoscaling/v1"):
            check_answer(action, msgspec.json.encode(body))


def test_after_a_write_the_error_says_that_nobody_knows() -> None:
    """Whether it was carried out."""
    with pytest.raises(DecodeError, match="nobody knows whether it was carried out: read the object"):
        check_answer(ASKED[Expected.OBJECT][-1], b"<html>")


def test_the_error_of_a_refusal_is_of_its_own_class() -> None:
    """With what the Status tells, whatever the HTTP code was."""
    status = {**STATUS, "status": "Failure", "reason": "NotFound", "message": "no a", "details": {"name": "a"}}
    with pytest.raises(NotFound, match="no a") as caught:
        check_answer(ASKED[Expected.OBJECT][0], msgspec.json.encode(status))
    assert caught.value.details == {"name": "a"}
    gone = {**STATUS, "status": "Failure", "reason": "Expired", "code": 410}
    with pytest.raises(Expired):
        decode_list(Codec(PODS), msgspec.json.encode(gone))


# ---- lists -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["items", "metadata"])
def test_a_list_without_a_part_is_none(missing: str) -> None:
    """Null items are an empty list, no items are a mistake."""
    with pytest.raises(DecodeError, match=f"a PodList without {missing}"):
        decode_list(Codec(PODS), msgspec.json.encode({key: value for key, value in LIST.items() if key != missing}))


@pytest.mark.parametrize(
    "metadata", [{"resourceVersion": 5}, {"continue": 5, "resourceVersion": "9"}, {"resourceVersion": []}, 5, []]
)
def test_a_list_whose_metadata_does_not_fit_is_none(metadata: object) -> None:
    """Its version and token are what everything after it hangs on."""
    with pytest.raises(DecodeError, match="a PodList that cannot be read"):
        decode_list(Codec(PODS), msgspec.json.encode({**LIST, "metadata": metadata}))


def test_a_definition_may_name_its_lists_as_it_likes() -> None:
    """The resource says so; where it does not, the error says how."""
    crowd = custom_resource(group="demo.dev", kind="Person", plural="people", list_kind="Crowd")
    body = {"kind": "Crowd", "apiVersion": "demo.dev/v1", "metadata": {"resourceVersion": "9"}, "items": []}
    assert decode_list(Codec(crowd), msgspec.json.encode(body))[0].version == "9"
    people = custom_resource(group="demo.dev", kind="Person", plural="people")
    assert people.list_kind == "PersonList"
    with pytest.raises(DecodeError, match=r"a Crowd of demo.dev/v1, not a PersonList of demo.dev/v1; .*list_kind"):
        decode_list(Codec(people), msgspec.json.encode(body))


@pytest.mark.parametrize("resource", [PODS, PODS.metadata_only()], ids=["whole", "metadata"])
def test_items_may_say_what_they_are_and_must_be_it(resource: Resource[Any]) -> None:
    """What is of another kind is counted as unreadable, beside the others."""
    bare = {"metadata": {"name": "bare"}}
    foreign = [
        {**POD, "kind": "Secret"},
        {**POD, "apiVersion": "v2"},
        {"apiVersion": "v2", **bare},
        PARTIAL,
        None,
        5,
        "x",
    ]
    body = {**LIST, "items": [POD, bare, *foreign, {"kind": "Pod", **bare}]}
    snapshot, _ = decode_list(Codec(resource), msgspec.json.encode(body))
    names = ["a", "bare", "bare"] if resource is PODS else ["a", "bare", "a", "bare"]
    assert [record.key.name for record in snapshot.records] == names
    assert len(snapshot.unreadable) == len(foreign) - (resource is not PODS)


# ---- watches ---------------------------------------------------------------------------------------------------------


def _line(kind: object, value: object) -> bytes:
    return msgspec.json.encode({"type": kind, "object": value})


@pytest.mark.parametrize("resource", [PODS, PODS.metadata_only()], ids=["whole", "metadata"])
def test_a_line_is_what_its_object_says(resource: Resource[Any]) -> None:
    """In any order of its fields; metadata alone where that was asked for."""
    codec = Codec(resource)
    for body in (POD, dict(reversed(POD.items())), *([PARTIAL] if resource is not PODS else [])):
        assert isinstance(codec.decode_line(_line("ADDED", body)), Applied)
        assert isinstance(codec.decode_line(msgspec.json.encode({"object": body, "type": "DELETED"})), Deleted)


@pytest.mark.parametrize(
    "line",
    [
        _line("ADDED", {**POD, "kind": "Secret"}),
        _line("MODIFIED", {**POD, "apiVersion": "v2"}),
        _line("DELETED", PARTIAL),
        _line("BOOKMARK", LIST),
        _line("ADDED", {"metadata": POD["metadata"]}),
        _line("ADDED", SUCCESS),
        _line("ADDED", None),
        _line(None, POD),
        _line(5, POD),
        _line("ERROR", POD),
        _line("ERROR", {"code": 410}),
        _line("ERROR", None),
        msgspec.json.encode(LIST),
        msgspec.json.encode(SUCCESS),
        b"5",
        b"null",
        b"[" * 2_000,
    ],
)
@pytest.mark.behaviour("R15")
def test_what_is_no_line_of_this_collection_tells_nothing(line: bytes) -> None:
    """Not even a version: a list has to show what was lost."""
    with pytest.raises(DecodeError, match="watch pods") as caught:
        Codec(PODS).decode_line(line)
    assert caught.value.version == ""


@pytest.mark.parametrize(
    "line",
    [
        _line("ERROR", {**STATUS, "status": "Failure", "code": 410}),
        _line("ERROR", {"kind": "Status", "code": 410, "details": "x"}),
        msgspec.json.encode({**STATUS, "status": "Failure", "code": 410}),
    ],
    ids=["in an ERROR line", "with odd parts", "in the place of a line"],
)
@pytest.mark.behaviour("B26")
def test_a_status_of_failure_is_its_error(line: bytes) -> None:
    """Also where a server answers a watch with one, and 200."""
    with pytest.raises(ApiError) as caught:
        Codec(PODS).decode_line(line)
    assert caught.value.code == 410


# ---- what cannot be read ---------------------------------------------------------------------------------------------


class Spec(msgspec.Struct, frozen=True):
    x: int = 0


class Pod(msgspec.Struct, frozen=True):
    metadata: ObjectMeta
    spec: Spec = Spec()


def _nested(depth: int, opening: bytes = b'{"x":', closing: bytes = b"}") -> bytes:
    return opening * depth + b"1" + closing * depth


POISON = {
    "1,100 levels": _nested(1_100),
    "1,100 arrays": _nested(1_100, b"[", b"]"),
    "10,000 levels": _nested(10_000),
    "not a number": b'{"x":NaN}',
    "half a character": b'{"y":"\\ud800"}',
    "a wrong escape": b'{"y":"\\q"}',
    "a control character": b'{"y":"\x01"}',
}
if sys.version_info >= (3, 12):  # these read so many levels: docs/decisions/0012
    del POISON["1,100 levels"], POISON["1,100 arrays"]


@pytest.mark.parametrize("python_type", [Unstructured, Pod])
@pytest.mark.parametrize("spec", POISON.values(), ids=POISON.keys())
@pytest.mark.parametrize("size", [1, 600_000], ids=["short", "in parts"])
@pytest.mark.behaviour("B14", "R15")
def test_what_cannot_be_read_costs_one_object(python_type: type[Any], spec: bytes, size: int) -> None:
    """It is there by its name, at its version, and says what is wrong; in a list, a line, and alone."""
    codec = Codec(PODS.of(python_type))
    metadata = b'"metadata":{"name":"a","namespace":"demo","resourceVersion":"7"}'
    bad = b'{"kind":"Pod","apiVersion":"v1",%b,"spec":%b}' % (metadata, spec)
    fine = b'{"metadata":{"name":"%b"},"spec":{"x":1,"pad":"%b"}}'
    items = [fine % (name, b"x" * size) for name in (b"x", b"y", b"z")]
    items.insert(1, b"{%b,%b}" % (metadata, b'"spec":' + spec))
    whole = b'{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[%b]}' % b" , ".join(items)
    snapshot, _ = decode_list(codec, whole)
    assert [record.key.name for record in snapshot.records] == ["x", "a", "y", "z"]
    assert (snapshot.version, snapshot.unreadable) == ("9", [])
    events = [codec.decode_line(b'{"type":"%b","object":%b}' % (kind, bad)) for kind in (b"ADDED", b"DELETED")]
    assert [type(event) for event in events] == [Applied, Deleted]
    for record in (snapshot.records[1], *(event.record for event in events if isinstance(event, Applied | Deleted))):
        assert (str(record.key), record.version) == ("demo/a", "7")
        assert record.fault is not None
        with pytest.raises(DecodeError, match="decode pods demo/a as"):
            _ = record.value
    assert all(record.fault is None for record in snapshot.records if record.key.name != "a")
    for verb in (Verb.GET, Verb.PATCH, Verb.DELETE):
        answer = check_answer(Action(verb=verb, resource=PODS, namespace="demo", name="a"), bad)
        assert answer.head.metadata is not None
        assert answer.head.metadata.resource_version == "7", "it tells what was written"
        with pytest.raises(DecodeError):
            raise answer.fault or codec.decode_object(answer.data)


def test_a_list_may_have_its_items_first() -> None:
    """As servers write those of custom kinds: in the order of the alphabet, in which metadata comes last."""
    items = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"p-{n}"}, "x": "y" * 999} for n in range(3_000)]
    body = {
        "apiVersion": "v1",
        "items": items,
        "kind": "PodList",
        "metadata": {"continue": "c", "resourceVersion": "9"},
    }
    data = msgspec.json.encode(body)
    snapshot, token = decode_list(Codec(PODS), data)
    pauses = sum(1 for _ in Codec(PODS).decode_list_in_steps(data))
    assert (len(snapshot.records), snapshot.version, token) == (3_000, "9", "c")
    assert pauses > 3, "nobody is held up by a long one"


def test_an_answer_that_can_be_read_in_part_says_what_is_wrong_with_it() -> None:
    """It is the object that was asked for, which others must hear of; one that can be read says nothing."""
    action = Action(verb=Verb.GET, resource=PODS, namespace="demo", name="a")
    assert check_answer(action, msgspec.json.encode(POD)).fault is None
    answer = check_answer(
        action,
        msgspec.json.encode(
            {**POD, "metadata": {"name": "a", "namespace": "demo", "resourceVersion": "7", "labels": 5}}
        ),
    )
    assert answer.head.metadata is not None
    assert (answer.head.metadata.name, answer.head.metadata.resource_version) == ("a", "7")
    assert answer.fault is not None
    assert "get pods demo/a: the Pod that came cannot be read" in str(answer.fault)
