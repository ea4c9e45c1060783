"""
What a type checker must know of webhooks. Checked by mypy, never run.

`assert_type` is a claim, and what is ignored with a code is an error that must be told.
"""

from __future__ import annotations

from typing import Any, assert_type

import msgspec

from ctrlkit import MergePatch, ObjectMeta, Review, conversion, custom_resource, mutating, validating
from ctrlkit.cache import Lister
from ctrlkit.kinds import PODS, core
from ctrlkit.model import Unstructured
from ctrlkit.webhooks import AdmissionWebhook, ConversionFunction


class Cache(msgspec.Struct, frozen=True):
    """A version of a kind."""

    metadata: ObjectMeta


class CacheV2(msgspec.Struct, frozen=True):
    """Another one."""

    metadata: ObjectMeta


class Scale(msgspec.Struct, frozen=True):
    """What is sent to a subresource."""

    replicas: int = 0


CACHES = custom_resource(group="example.com", kind="Cache", plural="caches").of(Cache)
CACHES_V2 = custom_resource(group="example.com", version="v2", kind="Cache", plural="caches").of(CacheV2)


@mutating(CACHES)
def may_return_nothing(_cache: Cache, _review: Review[Cache]) -> None: ...


@mutating(CACHES, reads=[PODS])
async def may_wait_and_return_any_of_these(cache: Cache, review: Review[Cache]) -> MergePatch | Cache | None:
    """The review is of the same type as the object; a lister is of its kind's."""
    assert_type(review.old, Cache | None)
    assert_type(review.lister(PODS), Lister[Unstructured])
    return cache


@validating(CACHES, subresource="status")
def may_look_at_a_status(_cache: Cache, _review: Review[Cache]) -> None: ...


@validating(core.PODS, subresource="scale", body=Scale)
def may_look_at_what_is_sent_to_a_subresource(_scale: Scale, _review: Review[Scale]) -> None: ...


@conversion(CACHES, to=CACHES_V2)
def may_convert(cache: Cache) -> CacheV2:
    """From the one to the other."""
    return CacheV2(metadata=cache.metadata)


assert_type(may_return_nothing, AdmissionWebhook[Cache])
assert_type(may_look_at_what_is_sent_to_a_subresource, AdmissionWebhook[Scale])
assert_type(may_convert, ConversionFunction[Cache, CacheV2])


@mutating(CACHES)  # type: ignore[arg-type]
def may_not_return_another_type(_cache: Cache, _review: Review[Cache]) -> CacheV2:
    raise NotImplementedError


@validating(CACHES)  # type: ignore[arg-type]
def may_not_take_another_type(_cache: CacheV2, _review: Review[CacheV2]) -> None: ...


def refused_where_it_stands() -> None:
    """What is sent to a subresource must be said, and nothing that is no term; the decorator raises, too."""

    @validating(PODS, subresource="eviction")  # type: ignore[call-overload, untyped-decorator]
    def may_not_leave_out_what_is_sent(_eviction: Any, _review: Review[Any]) -> None: ...

    @mutating(CACHES, timeout=3)  # type: ignore[call-overload, untyped-decorator]
    def may_not_say_a_term_that_there_is_not(_cache: Cache, _review: Review[Cache]) -> None: ...


@conversion(CACHES, to=CACHES_V2)  # type: ignore[arg-type]
def may_not_convert_to_itself(cache: Cache) -> Cache:
    """It is to return the other version."""
    return cache
