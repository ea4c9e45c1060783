"""
What a type checker must know of listers, handlers and clients. Checked by mypy, never run: `assert_type` is a claim.
"""

from __future__ import annotations

from typing import assert_type

import msgspec

from ctrlkit.cache import Change, Informer, InformerFactory, Lister, Registration, filtered
from ctrlkit.cache.store.lister import Page
from ctrlkit.client import Client
from ctrlkit.manager import Manager
from ctrlkit.model import ObjectMeta, PartialObjectMetadata, Record, Unstructured
from ctrlkit.model.kinds import PODS


class Pod(msgspec.Struct, frozen=True):
    """A type of the user's own."""

    metadata: ObjectMeta


def of_a_type(pods: Informer[Pod]) -> None:
    """Every read gives the type that the Resource was made with."""
    assert_type(pods.lister, Lister[Pod])
    assert_type(pods.lister.get("d/a"), Pod)
    assert_type(pods.lister.find("d/a"), Pod | None)
    assert_type(pods.lister.list(selector="app=x", fields="status.phase=Running"), list[Pod])
    assert_type(pods.lister.by_index("node", "n1"), list[Pod])
    assert_type(pods.lister.records(), list[Record[Pod]])
    assert_type(pods.lister.page(limit=10), Page[Pod])
    assert_type(pods.lister.page(limit=10).items, list[Pod])
    assert_type(pods.lister.page(limit=10).following(), Page[Pod] | None)


async def of_a_request(manager: Manager, factory: InformerFactory, client: Client) -> None:
    """Whoever makes the informer, its type is the Resource's."""
    assert_type(manager.informer(PODS), Informer[Unstructured])
    assert_type(manager.informer(PODS.of(Pod)), Informer[Pod])
    assert_type(factory.informer(PODS.metadata_only()), Informer[PartialObjectMetadata])
    async with factory.borrow_informer(PODS.of(Pod)) as leased:
        assert_type(leased, Informer[Pod])
    assert_type(await client.get(PODS.metadata_only(), "d/a"), PartialObjectMetadata)


def of_a_handler(pods: Informer[Pod]) -> None:
    """A handler gets changes of the informer's type, a filter records of it."""

    def handle(change: Change[Pod]) -> None:
        assert_type(change.record.value, Pod)
        assert_type(change.old, Record[Pod] | None)

    assert_type(pods.add_handler(handle), Registration[Pod])
    pods.add_handler(filtered(lambda record: record.value.metadata.deleting, handle))


def labels_are_read_only(pod: Pod) -> None:
    """What raises at run time is refused before it runs."""
    pod.metadata.labels["app"] = "x"  # type: ignore[index]
    pod.metadata.name = "b"  # type: ignore[misc]
