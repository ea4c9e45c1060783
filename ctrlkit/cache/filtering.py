"""A handler of those objects only that a predicate lets through (row I13)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ctrlkit.cache.change import Change
from ctrlkit.cache.fanout import Handler
from ctrlkit.model import Record

T = TypeVar("T")


def filtered(predicate: Callable[[Record[T]], bool], handler: Handler[T]) -> Handler[T]:
    """
    Tell a handler of an object as added when it comes to pass, as deleted when it no longer does.

        informer.add_handler(filtered(lambda record: "app" in (record.meta.labels or {}), on_app))

    old      new      is told as
    fails    passes   added
    passes   fails    deleted, with the last state that passed
    passes   passes   updated
    fails    fails    nothing
    """

    def handle(change: Change[T]) -> None:
        old = change.old if change.old is not None and predicate(change.old) else None
        new = change.new if change.new is not None and predicate(change.new) else None
        if old is not None or new is not None:
            same = old is change.old and new is change.new
            handler(change if same else Change(old, new, change.cause))

    handle.__qualname__ = getattr(handler, "__qualname__", "handler")
    return handle
