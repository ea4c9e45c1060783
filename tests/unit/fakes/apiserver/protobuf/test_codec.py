"""Objects in protobuf: what a real server sent, objects of any type, and bytes that are none."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrlkit.fakes.apiserver.protobuf import ENVELOPES, Unreadable, envelopes_of, wire
from ctrlkit.fakes.apiserver.protobuf.messages import Field, Message, messages_of
from tests.support.effort import tries

REAL: list[dict[str, Any]] = json.loads(Path(__file__).with_name("real_answers.json").read_text("utf-8"))
"""Answers of a real server, each in JSON and in protobuf."""

NOT_IN_JSON = ("controllerrevisions/rich", "validatingwebhookconfigurations/richwh")
"""Their JSON lacks what the protobuf has: the order of raw JSON, a list of bytes that is empty but there."""

EMPTY = b"k8s\0"
LEVELS = 4


def body_of(answer: dict[str, Any]) -> bytes:
    """The answer in protobuf."""
    return base64.b64decode(answer["protobuf"])


def read(body: bytes) -> dict[str, Any]:
    """The object in a body that names its kind."""
    return ENVELOPES.read(body, "", "")


# ---- what a real server sends ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", REAL, ids=lambda answer: answer["path"])
def test_a_real_servers_protobuf_is_read_as_its_json(answer: dict[str, Any]) -> None:
    """But for the list of nothing, which is [] in JSON and no field in protobuf."""
    assert read(body_of(answer)) == answer["json"] | ({"items": None} if answer["json"].get("items") == [] else {})


@pytest.mark.parametrize("answer", REAL, ids=lambda answer: answer["path"])
def test_a_real_servers_json_is_written_as_its_protobuf_byte_for_byte(answer: dict[str, Any]) -> None:
    if answer["path"].endswith(NOT_IN_JSON):
        assert read(ENVELOPES.write(answer["json"])) == answer["json"]
    else:
        assert ENVELOPES.write(answer["json"]) == body_of(answer)


def test_an_event_of_a_watch_is_a_frame_with_its_length() -> None:
    thing = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}}

    frame = ENVELOPES.write_event({"type": "ADDED", "object": thing})

    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    event = messages_of("1.36").of_kind("v1", "ConfigMap")
    assert event is not None
    assert frame[4:].startswith(b"\x0a\x05ADDED\x12")
    assert read(frame[frame.index(EMPTY) :]) == thing


# ---- objects of any type --------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(codec="utf-8"), max_size=4)
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXTS,
    "bool": st.booleans(),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False, allow_infinity=False).map(lambda one: int(one) if one.is_integer() else one),
    "bytes": st.binary(min_size=1, max_size=4).map(lambda one: base64.b64encode(one).decode()),
}
RAW = st.recursive(
    st.none() | st.booleans() | TEXTS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner)
)
TIMES = st.datetimes().filter(lambda one: one.year > 1)
LISTS = st.none() | st.lists(TEXTS, min_size=1, max_size=2)
SPECIAL: dict[str, st.SearchStrategy[Any]] = {
    "Time": st.none() | TIMES.map(lambda one: f"{one.isoformat(timespec='seconds')}Z"),
    "MicroTime": st.none() | TIMES.map(lambda one: f"{one.isoformat(timespec='microseconds')}Z"),
    "FieldsV1": st.none() | st.dictionaries(TEXTS, RAW),
    "RawExtension": RAW,
    "JSON": RAW,
    "Quantity": st.sampled_from(["0", "1", "500m", "1Gi"]),
    "IntOrString": SCALARS["int32"] | TEXTS,
    "Verbs": LISTS,
    "ExtraValue": LISTS,
}
OR_SCHEMA = {"JSONSchemaPropsOrArray": "[]", "JSONSchemaPropsOrStringArray": "[]", "JSONSchemaPropsOrBool": "bool"}


def shown(message: Message, level: int = 0) -> st.SearchStrategy[Any]:
    """Data of a type as a server shows it in JSON: `omitempty` fields are there only with a value that is not zero."""
    if message.name in SPECIAL:
        return SPECIAL[message.name]
    if message.name in OR_SCHEMA:
        schema = messages_of("1.36").of_type(f"{message.full_name.rpartition('.')[0]}.JSONSchemaProps")
        others = st.booleans() if OR_SCHEMA[message.name] == "bool" else st.nothing()
        return others | (shown(schema, level + 1) if level < LEVELS else st.just({}))
    always: dict[str, st.SearchStrategy[Any]] = {}
    sometimes: dict[str, st.SearchStrategy[Any]] = {}
    inline = []
    for field in message.fields.values():
        strategy, is_optional = value_of(field, level)
        if field.is_inline:
            inline.append(strategy)
        else:
            (sometimes if is_optional else always)[field.json_name] = strategy
    own = st.fixed_dictionaries(always, optional=sometimes if level < LEVELS else {})
    return st.tuples(own, *inline).map(lambda parts: {name: value for part in parts for name, value in part.items()})


def value_of(field: Field, level: int) -> tuple[st.SearchStrategy[Any], bool]:
    """What a field may hold, and whether it may be missing."""
    message = messages_of("1.36").of_type(field.type) if field.is_message else None
    one = SCALARS[field.type] if message is None else st.deferred(lambda: shown(message, level + 1))
    is_optional = "omitempty" in field.options
    nothing = st.nothing() if is_optional else st.none()
    if field.mark == "[]":
        return nothing | st.lists(one, min_size=1, max_size=2), is_optional
    if field.mark == "{}":
        return nothing | st.dictionaries(TEXTS, one, min_size=1, max_size=2), is_optional
    if field.mark == "*":
        return (one.filter(lambda value: value is not None) if is_optional else nothing | one), is_optional
    if message is None or message.name in ("Verbs", "ExtraValue"):
        absent = nothing if field.type == "bytes" else st.nothing()
        return absent | (one.filter(bool) if is_optional else one), is_optional
    if "omitzero" in field.options:
        return one.filter(bool), True
    return one, False


def kinds() -> list[tuple[str, str]]:
    """Every kind with metadata that the release has."""
    table = messages_of("1.36")
    return [(version, kind) for version, kind in table.kinds() if kind.endswith("List") is False]


@settings(max_examples=tries(6, thorough=1000))
@given(st.data())
def test_what_is_written_of_any_kind_is_read_as_it_was(data: st.DataObject) -> None:
    """For any object of any kind of the release."""
    api_version, kind = data.draw(st.sampled_from(kinds()))
    message = ENVELOPES.message_of(api_version, kind)
    assert message is not None
    thing = {"kind": kind, "apiVersion": api_version, **data.draw(shown(message))}

    assert read(ENVELOPES.write(thing)) == thing


@settings(max_examples=tries(12, thorough=300))
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | TEXTS, lambda one: st.lists(one) | st.dictionaries(TEXTS, one)
    )
)
def test_data_that_does_not_fit_its_type_is_written_all_the_same(value: Any) -> None:
    """For any data where a pod should be: the answer is not to fail."""
    thing = {"kind": "Pod", "apiVersion": "v1", "metadata": value, "spec": value, "status": {"conditions": [value]}}

    again = read(ENVELOPES.write(thing))

    assert again["kind"] == "Pod"


# ---- bytes that are no objects --------------------------------------------------------------------------------------


@given(st.binary(max_size=64))
def test_any_bytes_are_an_object_or_refused(data: bytes) -> None:
    for body in (data, EMPTY + data, envelope("v1", "Pod", data)):
        with suppress(Unreadable):
            assert read(body)["kind"] is not None


@given(st.sampled_from(REAL), st.data())
def test_a_body_that_is_cut_short_or_altered_is_an_object_or_refused(
    answer: dict[str, Any], data: st.DataObject
) -> None:
    body = bytearray(body_of(answer))
    body[data.draw(st.integers(4, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(Unreadable):
        assert read(bytes(body[: data.draw(st.integers(0, len(body)))]))["kind"] is not None


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    """A body around the bytes of an object."""
    type_meta = b"".join(
        wire.tag(number, wire.LENGTH) + wire.sized(text.encode()) for number, text in ((1, api_version), (2, kind))
    )
    return EMPTY + b"".join(
        wire.tag(number, wire.LENGTH) + wire.sized(one) for number, one in ((1, type_meta), (2, raw))
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty data"),
        (b"abcdefgh", "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"),
        (EMPTY, "empty body"),
        (EMPTY + b"\x08\x01", "proto: wrong wireType = 0 for field TypeMeta"),
        (envelope("v1", "ConfigMap", b"\x08\x01"), "proto: wrong wireType = 0 for field ObjectMeta"),
        (envelope("v1", "ConfigMap", b"\x00\x01"), "proto: ConfigMap: illegal tag 0 (wire type 0)"),
        (envelope("v1", "ConfigMap", b"\x0c"), "proto: ConfigMap: wiretype end group for non-group"),
        (envelope("v1", "ConfigMap", b"\xff\x01\x00"), "proto: illegal wireType 7"),
        (envelope("v1", "ConfigMap", b"\xff" * 11), "proto: integer overflow"),
        (
            envelope("v1", "ConfigMap", b"\x0a" + b"\xff" * 9 + b"\x01"),
            "proto: negative length found during unmarshaling",
        ),
        (envelope("v1", "ConfigMap", b"\x0a\x05\x0a"), "unexpected EOF"),
        (envelope("v1", "ConfigMap", b"\xfb\x01\x08"), "unexpected EOF"),
    ],
)
def test_bytes_are_refused_in_the_words_of_a_real_server(body: bytes, words: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read(body)

    assert str(refused.value) == words


# ---- proto2 ---------------------------------------------------------------------------------------------------------


def test_unknown_fields_and_groups_are_skipped_and_a_second_value_is_merged() -> None:
    name, labels = b"\x0a\x03\x0a\x01a", b"\x0a\x08\x5a\x06\x0a\x01k\x12\x01v"
    unknown = b"\xfa\x06\x01x" + b"\xfb\x06\x08\x01\xfc\x06"

    thing = read(envelope("v1", "ConfigMap", name + unknown + labels))

    assert thing["metadata"] == {"name": "a", "labels": {"k": "v"}}


def test_numbers_may_be_packed() -> None:
    packed = envelope("v1", "Pod", b"\x12\x09" + b"\x72\x07" + b"\x22\x02\x01\x02" + b"\x22\x01\x03")

    assert read(packed)["spec"]["securityContext"] == {"supplementalGroups": [1, 2, 3]}


def test_a_text_that_is_no_unicode_is_mended() -> None:
    thing = read(envelope("v1", "ConfigMap", b"\x12\x08\x0a\x01k\x12\x03a\xffb"))

    assert thing["data"] == {"k": "a\ufffdb"}


def test_options_are_read_whatever_group_they_name() -> None:
    for api_version in ("v1", "apps/v1", "meta.k8s.io/v1"):
        options = {"kind": "DeleteOptions", "apiVersion": api_version, "gracePeriodSeconds": 0}
        assert read(ENVELOPES.write(options)) == options


def test_each_release_has_its_own_messages() -> None:
    older, newer = messages_of("1.34"), messages_of("1.36")

    assert older.of_kind("scheduling.k8s.io/v1alpha2", "PodGroup") is None
    assert newer.of_kind("scheduling.k8s.io/v1alpha2", "PodGroup") is not None
    assert envelopes_of("1.34") is envelopes_of("1.34")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"\x0a\x02\x00\x01\x08\x01", "proto: ObjectMeta: illegal tag 0 (wire type 0)"),
        (b"\x0a\x04\x42\x02\x00\x01", "proto: Timestamp: illegal tag 0 (wire type 0)"),
        (b"\x12\x02\x1c\x01", "proto: unexpected end of group"),
        (b"\x12\x02\x08\x05", "unexpected EOF"),
    ],
)
def test_the_first_mistake_counts_and_bears_the_name_of_its_type(raw: bytes, words: str) -> None:
    """Parts are read where they stand, an entry of a map without a look at its wire types."""
    with pytest.raises(Unreadable) as refused:
        read(envelope("v1", "ConfigMap", raw))

    assert str(refused.value) == words


def test_a_kind_that_is_named_twice_is_named_by_both_together() -> None:
    first, second = b"\x0a\x0f\x0a\x02v1\x12\x09ConfigMap", b"\x0a\x07\x0a\x05demo1"
    assert read(EMPTY + first + second + b"\x12\x00")["apiVersion"] == "demo1"
    assert read(EMPTY + first + second + b"\x12\x00")["kind"] == "ConfigMap"


def test_what_is_not_the_wanted_kind_is_not_read() -> None:
    body = envelope("v1", "Secret", b"\xff")

    assert ENVELOPES.read(body, "v1", "DeleteOptions", only=True) == {"kind": "Secret", "apiVersion": "v1"}
