"""Conversion reviews, ways through hub and spoke, and what is lost on them."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ctrlkit import Denied, ObjectMeta, clock, conversion, custom_resource
from ctrlkit.errors import ConfigError
from ctrlkit.model import Unstructured, to_plain
from ctrlkit.webhooks import Conversions, Loss, Webhooks, round_trip_losses
from tests.support.effort import tries
from tests.unit.webhooks.support import (
    CACHES,
    CACHES_V2,
    CACHES_V3,
    Cache,
    CacheV2,
    CacheV3,
    Spec,
    SpecV2,
    SpecV3,
    ask,
    cache,
    conversion_review,
)

POLICY = "example.com/policy"


@conversion(CACHES, to=CACHES_V2)
def v1_to_v2(thing: Cache) -> CacheV2:
    """The policy that v1 cannot say is in an annotation."""
    annotations = dict(thing.metadata.annotations or {})
    policy = annotations.pop(POLICY, "")
    return CacheV2(
        metadata=replace(thing.metadata, annotations=annotations or None),
        spec=SpecV2(replicas=thing.spec.size, image=thing.spec.image, policy=policy),
    )


@conversion(CACHES_V2, to=CACHES)
def v2_to_v1(thing: CacheV2) -> Cache:
    annotations = dict(thing.metadata.annotations or {})
    if thing.spec.policy:
        annotations[POLICY] = thing.spec.policy
    return Cache(
        metadata=replace(thing.metadata, annotations=annotations or None),
        spec=Spec(size=thing.spec.replicas, image=thing.spec.image),
    )


@conversion(CACHES_V2, to=CACHES_V3)
async def v2_to_v3(thing: CacheV2) -> CacheV3:
    repository, _, tag = thing.spec.image.partition(":")
    spec = SpecV3(replicas=thing.spec.replicas, repository=repository, tag=tag, policy=thing.spec.policy)
    return CacheV3(metadata=thing.metadata, spec=spec)


@conversion(CACHES_V3, to=CACHES_V2)
def v3_to_v2(thing: CacheV3) -> CacheV2:
    image = f"{thing.spec.repository}:{thing.spec.tag}".removesuffix(":")
    spec = SpecV2(replicas=thing.spec.replicas, image=image, policy=thing.spec.policy)
    return CacheV2(metadata=thing.metadata, spec=spec)


ALL = (v1_to_v2, v2_to_v1, v2_to_v3, v3_to_v2)
PATH = "/convert"


@pytest.mark.behaviour("W8", "W9")
@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_the_objects_of_a_review_are_converted_in_order_by_way_of_the_hub(version: str) -> None:
    """From v1 to v3 there is no function; those to and from v2 are the way. What is there already stays."""
    webhooks = Webhooks(ALL)
    body = conversion_review("v3", cache(size=2, image="r:7"), cache("v2", "b"), cache("v3", "c"), version=version)
    answer = await webhooks.answer(PATH, body)
    review = msgspec.json.decode(answer.body)
    assert (review["kind"], review["apiVersion"]) == ("ConversionReview", f"apiextensions.k8s.io/{version}")
    response = review["response"]
    assert (response["uid"], response["result"]) == ("u-1", {"status": "Success"})
    first, second, third = response["convertedObjects"]
    assert (first["apiVersion"], first["kind"]) == ("example.com/v3", "Cache")
    assert first["spec"] == {"replicas": 2, "repository": "r", "tag": "7"}
    assert (second["metadata"]["name"], second["apiVersion"]) == ("b", "example.com/v3")
    assert third == cache("v3", "c")


async def test_metadata_is_as_it_was_but_for_labels_and_annotations_that_a_function_changed() -> None:
    """Whatever the type knows of it, and whatever the function makes of the rest."""

    @conversion(CACHES, to=CACHES_V2)
    def there(thing: Cache) -> CacheV2:
        meta = replace(thing.metadata, name="other", uid="other", labels={"new": "1"}, finalizers=())
        return CacheV2(metadata=meta)

    obj = cache()
    metadata = obj["metadata"] | {
        "uid": "7",
        "labels": {"a": "1"},
        "annotations": {"b": "2"},
        "finalizers": ["f"],
        "managedFields": [{"manager": "x"}],
        "generation": 3,
    }
    (made,) = (await ask(Webhooks([there, v2_to_v1]), conversion_review("v2", obj | {"metadata": metadata}), PATH))[
        "convertedObjects"
    ]
    assert made["metadata"] == metadata | {"labels": {"new": "1"}}


async def test_what_neither_type_knows_at_the_top_is_carried_over() -> None:
    """Such as a status that is somebody else's business."""
    obj = cache(size=1) | {"status": {"ready": True}}
    (made,) = (await ask(Webhooks(ALL), conversion_review("v2", obj), PATH))["convertedObjects"]
    assert made["status"] == {"ready": True}

    @conversion(CACHES.of(Unstructured), to=CACHES_V2.of(Unstructured))
    def plain(thing: Unstructured) -> Unstructured:
        return Unstructured({"spec": thing["spec"]})

    webhooks = Webhooks([plain, conversion(CACHES_V2, to=CACHES)(v2_to_v1.function)])
    (made,) = (await ask(webhooks, conversion_review("v2", obj), PATH))["convertedObjects"]
    assert "status" not in made


@pytest.mark.behaviour("W8")
async def test_a_field_that_is_none_by_default_is_left_out_and_not_null() -> None:
    """Where a webhook is shown the object at that version, a server refuses the null."""

    class Wide(msgspec.Struct, frozen=True):
        metadata: ObjectMeta
        spec: Spec | None = None
        status: SpecV2 | None = None

    @conversion(CACHES.of(Wide), to=CACHES_V2.of(Wide))
    def there(thing: Wide) -> Wide:
        return replace(thing, spec=None)

    back = conversion(CACHES_V2.of(Wide), to=CACHES.of(Wide))(there.function)
    (made,) = (await ask(Webhooks([there, back]), conversion_review("v2", cache(size=2)), PATH))["convertedObjects"]
    assert set(made) == {"apiVersion", "kind", "metadata"}


@pytest.mark.behaviour("W8")
async def test_one_object_that_fails_fails_the_review_with_its_name() -> None:
    @conversion(CACHES, to=CACHES_V2)
    def picky(thing: Cache) -> CacheV2:
        if thing.spec.size == 13:
            raise ZeroDivisionError
        if thing.spec.size == 12:
            raise Denied("a dozen has no place in v2")
        return CacheV2(metadata=thing.metadata)

    webhooks = Webhooks([picky, v2_to_v1])
    for bad, wanted, words in (
        (
            cache(name="b", size="big"),
            "v2",
            "Cache demo/b to example.com/v2: spec.size: Expected int, got str",
        ),
        (
            cache(name="b", size=13),
            "v2",
            "Cache demo/b to example.com/v2: ZeroDivisionError; see the log of the webhook",
        ),
        (cache(name="b", size=12), "v2", "Cache demo/b to example.com/v2: a dozen has no place in v2"),
        (cache("v9", "b"), "v2", "Cache demo/b to example.com/v2: no conversion from 'v9' to 'v2'; there are v1, v2"),
        (
            {"kind": "Pod", "apiVersion": "v1"},
            "v2",
            "Pod to example.com/v2: no conversion of Pod in group 'example.com'",
        ),
        (cache(name="b"), "v7", "Cache demo/b to example.com/v7: no conversion from 'v1' to 'v7'; there are v1, v2"),
    ):
        response = await ask(webhooks, conversion_review(wanted, cache("v1" if wanted == "v2" else "v7"), bad), PATH)
        assert response == {"uid": "u-1", "convertedObjects": [], "result": {"status": "Failure", "message": words}}


@pytest.mark.parametrize("body", [b"", b"{", b'{"kind": "AdmissionReview"}', b"[[" * 100_000])
async def test_what_is_no_review_is_a_failure_in_one(body: bytes) -> None:
    response = await ask(Webhooks(ALL), body, PATH)
    assert response["result"]["status"] == "Failure"
    assert "ConversionReview" in response["result"]["message"]


async def test_a_conversion_that_takes_too_long_is_cut_off_before_the_server_gives_up() -> None:
    @conversion(CACHES, to=CACHES_V2)
    async def slow(_thing: Cache) -> CacheV2:
        await asyncio.sleep(3600)
        raise AssertionError

    began = clock.monotonic()
    response = await ask(Webhooks([slow, v2_to_v1]), conversion_review("v2", cache()), PATH)
    assert clock.monotonic() - began == 25
    assert response["result"]["message"] == "Cache demo/a to example.com/v2: 1 objects took longer than 25 s"


def test_versions_that_do_not_lead_to_each_other_are_told_at_the_start() -> None:
    with pytest.raises(ConfigError, match=r"caches.example.com: no way leads from v2 to v1; write a function"):
        Conversions([v1_to_v2])
    with pytest.raises(ConfigError, match="does that already; keep one of them"):
        Conversions([*ALL, conversion(CACHES, to=CACHES_V2)(v1_to_v2.function)])


# ---- round trips -----------------------------------------------------------------------------------------------------

texts = st.sampled_from(["", "a", "b"])
images = st.sampled_from(["", "r", "r:7"])
metas = st.builds(
    ObjectMeta,
    name=st.just("a"),
    labels=st.none() | st.dictionaries(st.sampled_from(["a", "b"]), texts, min_size=1),
    annotations=st.none() | st.dictionaries(st.sampled_from(["a", "b"]), texts, min_size=1),
)
things = st.one_of(
    st.builds(Cache, metadata=metas, spec=st.builds(Spec, size=st.integers(0, 2), image=images)),
    st.builds(CacheV2, metadata=metas, spec=st.builds(SpecV2, replicas=st.integers(0, 2), image=images, policy=texts)),
    st.builds(
        CacheV3,
        metadata=metas,
        spec=st.builds(SpecV3, replicas=st.integers(0, 2), repository=st.just("r"), tag=texts, policy=texts),
    ),
)


@pytest.mark.behaviour("W8")
@given(things)
@settings(max_examples=tries(25, thorough=300), deadline=None)
def test_a_way_there_and_back_keeps_what_both_can_say(thing: Any) -> None:
    """For any object of any of three versions, and each other version: by functions that lose nothing."""
    assert round_trip_losses(ALL, thing) == []


@given(things)
@settings(max_examples=tries(25, thorough=300), deadline=None)
def test_what_a_function_forgets_is_told_with_its_field_and_the_way(thing: Any) -> None:
    """Of v2 and v3 the policy, if there is one; of v1 nothing."""

    @conversion(CACHES_V2, to=CACHES)
    def forgetful(thing: CacheV2) -> Cache:
        return Cache(metadata=thing.metadata, spec=Spec(size=thing.spec.replicas, image=thing.spec.image))

    policy = getattr(thing.spec, "policy", "")
    version = {"CacheV2": "v2", "CacheV3": "v3"}.get(type(thing).__name__, "v1")
    losses = round_trip_losses((v1_to_v2, forgetful, v2_to_v3, v3_to_v2), thing)
    expected = [Loss("spec.policy", (version, "v1", version), policy, None)] if policy else []
    assert losses == expected
    if expected:
        assert str(losses[0]) == f"spec.policy: '{policy}' is nothing after {version} -> v1 -> {version}"


FIELDS = frozenset("abcd")


def picks(known: frozenset[str]) -> Any:
    """A conversion to a version that knows these fields."""

    def convert(thing: Unstructured) -> Unstructured:
        return Unstructured({"spec": {name: value for name, value in thing["spec"].items() if name in known}})

    return convert


@pytest.mark.behaviour("W8")
@given(st.lists(st.frozensets(st.sampled_from(sorted(FIELDS))), min_size=2, max_size=4), st.booleans(), st.data())
@settings(max_examples=tries(15, thorough=200), deadline=None)
def test_of_any_versions_each_way_there_and_back_loses_what_one_on_it_cannot_say(
    known: list[frozenset[str]], in_a_chain: bool, data: st.DataObject
) -> None:
    """With one version as the hub of all others, and where each only leads to the next: and nothing else is lost."""
    kinds = [
        custom_resource(group="example.com", version=f"v{number}", kind="Cache", plural="caches")
        for number in range(len(known))
    ]
    pairs = [(number - 1 if in_a_chain else 0, number) for number in range(1, len(known))]
    functions = [
        conversion(kinds[source], to=kinds[target])(picks(known[target]))
        for one, other in pairs
        for source, target in ((one, other), (other, one))
    ]
    start = data.draw(st.integers(0, len(known) - 1))
    obj = {"apiVersion": f"example.com/v{start}", "metadata": {"name": "x"}, "spec": dict.fromkeys(known[start], 1)}
    expected = set()
    for end in range(len(known)):
        low, high = sorted((start, end))
        way = range(low, high + 1) if in_a_chain else {start, 0, end}
        kept = frozenset.intersection(known[start], *(known[number] for number in way))
        expected |= {(f"spec.{name}", f"v{end}") for name in known[start] - kept if end != start}
    assert {(loss.field, loss.way[1]) for loss in round_trip_losses(functions, obj)} == expected


async def test_round_trips_take_objects_as_they_travel_and_refuse_what_is_none() -> None:
    assert round_trip_losses(ALL, cache("v3", repository="r"), Unstructured(cache(size=2))) == []
    assert (
        round_trip_losses(ALL, to_plain(Cache(metadata=ObjectMeta(name="a"))) | {"apiVersion": "example.com/v1"}) == []
    )
    with pytest.raises(TypeError, match=r"convert a int: it is of none of the versions v1 \(Cache\)"):
        round_trip_losses(ALL, 3)

    @conversion(CACHES, to=CACHES_V2)
    async def waits(_thing: Cache) -> CacheV2:
        await asyncio.sleep(1)
        raise AssertionError

    with pytest.raises(RuntimeError, match="the function waits for something"):
        round_trip_losses([waits, v2_to_v1], Cache(metadata=ObjectMeta(name="a")))
