"""A server, an informer that mirrors it over some transport, and the proof that the mirror is true."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated

import msgspec

from ctrlkit.cache import Change, ChangeKind, Informer
from ctrlkit.client import Client
from ctrlkit.errors import DecodeError
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import ObjectMeta, Transport
from ctrlkit.model.kinds import CONFIG_MAPS
from tests.support.objects import put_config_map

FITS = "fits"
TOO_LONG = "does not fit its type"


class Data(msgspec.Struct, frozen=True):
    """What the objects hold: a text that may be too long for its type."""

    value: Annotated[str, msgspec.Meta(max_length=12)]


class Thing(msgspec.Struct, frozen=True):
    """A ConfigMap as its user sees it."""

    metadata: ObjectMeta
    data: Data


THINGS = CONFIG_MAPS.of(Thing)


class View:
    """What one handler was told, added up; it refuses what does not add up."""

    def __init__(self) -> None:
        self.versions: dict[str, str] = {}
        self.changes = 0
        self._newest: dict[str, int] = {}

    def hear(self, change: Change[Thing]) -> None:
        """A handler."""
        self.changes += 1
        key, known = str(change.key), self.versions.get(str(change.key))
        if change.kind is ChangeKind.DELETED:
            assert known is not None, f"{key} was deleted twice"
            del self.versions[key]
        else:
            assert (change.old.version if change.old else None) == known, f"{key}: a gap before {change}"
            version = int(change.record.version)
            assert version > self._newest.get(key, 0), f"{key} was told again at {version}, or came back"
            self._newest[key] = version
            self.versions[key] = change.record.version


class Mirrored:
    """A server and its mirror. Changes are made behind the client's back."""

    def __init__(self, tracker: Tracker, informer: Informer[Thing]) -> None:
        self.tracker = tracker
        self.informer = informer
        self.views = [View()]
        self.failed: list[BaseException] = []
        informer.add_handler(self._guard(self.views[0]))

    def put(self, name: str, value: str) -> None:
        """Make or change an object."""
        put_config_map(self.tracker, name, value)

    def remove(self, name: str) -> None:
        """Delete an object, if it is there."""
        if any(found.key.name == name for found in self.tracker.list(CONFIG_MAPS)):
            self.tracker.delete(CONFIG_MAPS, f"default/{name}")

    def add_view(self) -> None:
        """A handler that comes late."""
        self.views.append(View())
        self.informer.add_handler(self._guard(self.views[-1]))

    def assert_true(self) -> None:
        """The store is equal to the server, and each view to the store; no handler was told what does not add up."""
        assert self.failed == []
        server = {str(found.key): found for found in self.tracker.list(CONFIG_MAPS)}
        versions = {key: found.metadata.resource_version for key, found in server.items()}
        records = self.informer.lister.records()
        assert {str(record.key): record.version for record in records} == versions
        assert [view.versions for view in self.views] == [versions] * len(self.views)
        for record in records:
            value = server[str(record.key)]["data"]["value"]
            try:
                assert record.value.data.value == value
            except DecodeError:
                assert value.startswith(TOO_LONG)

    def _guard(self, view: View) -> Callable[[Change[Thing]], None]:
        def hear(change: Change[Thing]) -> None:
            try:
                view.hear(change)
            except (AssertionError, KeyError) as error:
                self.failed.append(error)

        return hear


@asynccontextmanager
async def mirrored(tracker: Tracker, transport: Transport) -> AsyncIterator[Mirrored]:
    """An informer of the server's ConfigMaps, from its start to its end."""
    informer = Informer(THINGS, {"": Client(transport).list_watch(THINGS)})
    mirror = Mirrored(tracker, informer)
    task = asyncio.create_task(informer.run(), name="informer")
    try:
        yield mirror
    finally:
        task.cancel()
        await asyncio.wait([task])
