"""Watch: a position in the log, and the lines for the changes after it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

import msgspec

from ctrlkit import clock
from ctrlkit.errors import ApiError
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.exchanges import Exchange, Unanswered, Webhooks
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.refusals import (
    plain_failure,
    too_large_version,
    too_old_version,
)
from ctrlkit.fakes.tracker.store import Change, Stored, event_line
from ctrlkit.fakes.tracker.verbs.list import read_version
from ctrlkit.fakes.tracker.verbs.selection import Selection
from ctrlkit.model import Action, Options

BOOKMARK_INTERVAL_S = 60.0
BOOKMARK_BEFORE_END_S = 2.0
BATCH_BYTES_MAX = 128 * 1024
"""A batch ends with the line that exceeds this size, which bounds the memory of a watch that is read slowly."""

LEAST_TIMEOUT_S = 1800.0
"""A watch without a timeout ends after 1 to 2 times this, by chance."""

_INITIAL_EVENTS_END = {"annotations": {"k8s.io/initial-events-end": "true"}}


class WatchStream:
    """
    One watch: an asynchronous iterator of batches of lines, each line built once for all watches of the kind.

    A slow reader costs nothing but its place in the log and one batch; when that place is compacted away the stream
    ends with a Status 410, as it begins with one where the version asked for is too old.
    Owner   Whoever opened it calls `close`. Needs a running loop for its timers.
    """

    def __init__(self, core: Core, served: Strategy, action: Action, webhooks: Webhooks) -> None:
        self._webhooks = webhooks
        self._store = core.store
        self._served = served
        self._selection = Selection(served, action)
        self._collection = core.collection(served)
        self._options = action.options
        self._is_over = False
        self._news = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._first: deque[Stored | bytes] = deque()
        self._after = 0  # changes up to this version are not told, even those yet to come
        self._place = self._begin(action.options)
        now = clock.monotonic()
        timeout = float(action.options.timeout_s) or LEAST_TIMEOUT_S * clock.random_source().uniform(1.0, 2.0)
        self._ends_at = now + timeout
        before_end = self._ends_at - BOOKMARK_BEFORE_END_S
        self._bookmark_at = min(now + BOOKMARK_INTERVAL_S, before_end if now <= before_end else self._ends_at + 1)
        self._told = core.store.version
        self._collection.subscribe(self._selection.namespace, self)

    def close(self) -> None:
        """End the watch, also for a reader that is waiting."""
        self._is_over = True
        self._collection.unsubscribe(self._selection.namespace, self)
        if self._timer:
            self._timer.cancel()
        self._news.set()

    def wake(self) -> None:
        """Note that the log grew."""
        self._news.set()

    def __aiter__(self) -> WatchStream:
        return self

    async def __anext__(self) -> Sequence[bytes]:
        while True:
            self._news.clear()
            if self._may_have_more():
                forms = self._served.forms
                lines = self._take() if forms is None or not forms.asks else await self._converted()
                if lines:
                    return lines
                if self._is_over:
                    raise StopAsyncIteration
                self._set_timer()
            await self._news.wait()

    def _may_have_more(self) -> bool:
        """Whether a line may be due, or the end; mostly nothing is when the reader comes back from the last batch."""
        if self._is_over or self._first or self._timer is None or self._place != self._collection.end:
            return True
        self._told = self._store.version
        return self._collection.closed

    async def _converted(self) -> list[bytes]:
        """Return the lines that are due, when the webhook that converts the objects has answered."""
        exchange = Exchange()
        while True:
            try:
                return exchange.run(self._take_converted)
            except Unanswered as unanswered:
                await exchange.ask(unanswered.questions, self._webhooks)
            except ApiError as error:
                self._refuse(error)
                return self._take()

    def _take_converted(self) -> list[bytes]:
        """Return the lines that are due. Errors: Unanswered, before any is taken."""
        list(self._collection.since(self._place))
        return self._take()

    def lag(self) -> str:
        """What this watch has not been handed yet, as text; "" where it has all that it selects."""
        if self._place == self._collection.end and not self._first:
            return ""
        try:
            newest = self._newest_selected()
        except Unanswered:
            return f"watch {self._served.resource} waits for its conversion webhook"
        if not newest and not self._first:
            return ""
        namespace = f" in {self._selection.namespace}" if self._selection.namespace else ""
        return f"watch {self._served.resource}{namespace} at {self._told}, server at {newest or self._store.version}"

    def _newest_selected(self) -> int:
        """Return the newest selected version that was not delivered; skip changes that are not selected."""
        newest = 0
        for change in self._collection.since(self._place):
            if self._event(change):
                newest = change.version
            elif not newest and self._place >= self._collection.dropped:
                self._place += 1
        return newest

    def _begin(self, options: Options) -> int:
        """Prepare the first lines, and return the position in the log where the rest begins."""
        try:
            version = read_version(options.resource_version or "0")
        except ValueError as error:
            raise plain_failure(str(error)) from None
        current = self._store.version
        wants_state = options.send_initial_events
        if wants_state is None:
            wants_state = version == 0
        if options.send_initial_events and version > current:
            self._refuse(too_large_version(version, current))
        elif wants_state:
            self._tell_state(options)
        elif version == 0:
            pass  # from now on
        elif version < self._collection.floor:
            self._refuse(too_old_version(version, self._collection.floor))
        else:
            self._after = version
            return self._collection.place_after(version)
        return self._collection.end

    def _tell_state(self, options: Options) -> None:
        within = self._collection.within(self._selection.namespace)
        self._first.extend(stored for stored in within if self._selection.matches(stored))
        if options.send_initial_events and options.allow_watch_bookmarks:
            self._first.append(self._bookmark(ends_initial_events=True))

    def _refuse(self, error: ApiError) -> None:
        """End the stream with a Status: once its options are accepted, a watch reports failures inside the stream."""
        self._first.append(b'{"type":"ERROR","object":%b}' % msgspec.json.encode(error.to_status()))
        self._is_over = True

    def _take(self) -> list[bytes]:
        """Return the lines that are due, up to the size of a batch."""
        lines: list[bytes] = []
        if not self._add_first(lines) or self._is_over:
            return lines
        if self._place < self._collection.dropped:
            self._refuse(too_old_version(self._told, self._collection.floor))
            self._add_first(lines)
            return lines
        if not self._add_changes(lines):
            return lines
        self._told = self._store.version
        if self._collection.closed:
            self._is_over = True
        else:
            lines += self._due_by_time()
        return lines

    def _add_first(self, lines: list[bytes]) -> bool:
        """Add the first or last lines of the watch; return whether all are delivered."""
        size_bytes = 0
        while self._first:
            if size_bytes > BATCH_BYTES_MAX:
                return False
            first = self._first.popleft()
            line = first if isinstance(first, bytes) else first.added_line(self._served.head)
            size_bytes += len(line)
            lines.append(line)
        return True

    def _add_changes(self, lines: list[bytes]) -> bool:
        """Add the lines of changes; return whether all are delivered."""
        size_bytes = sum(map(len, lines))
        for change in self._collection.since(self._place):
            if size_bytes > BATCH_BYTES_MAX:
                return False
            self._place += 1
            if kind := self._event(change):
                line = change.line(kind, self._served.head)
                size_bytes += len(line)
                lines.append(line)
                self._told = change.version
        return True

    def _due_by_time(self) -> list[bytes]:
        now = clock.monotonic()
        lines = []
        if now >= self._bookmark_at:
            if self._options.allow_watch_bookmarks and self._store.version >= self._after:
                lines.append(self._bookmark())
            before_end = self._ends_at - BOOKMARK_BEFORE_END_S
            self._bookmark_at = min(now + BOOKMARK_INTERVAL_S, before_end if now < before_end else self._ends_at + 1)
        if now >= self._ends_at:
            self._is_over = True
        return lines

    def _set_timer(self) -> None:
        due = self._ends_at
        if self._options.allow_watch_bookmarks:
            due = min(due, self._bookmark_at)
        if self._timer is None or self._timer.when() != due:
            if self._timer:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_at(due, self._time_is_up)

    def _time_is_up(self) -> None:
        self._timer = None
        self._news.set()

    def _event(self, change: Change) -> str:
        """The kind of event a change is to this watch; "" where it is none."""
        if change.version <= self._after or not self._selection.includes(change.key.namespace):
            return ""
        was, is_ = self._selection.matches(change.before), self._selection.matches(change.after)
        if is_:
            return "MODIFIED" if was else "ADDED"
        return "DELETED" if was else ""

    def _bookmark(self, *, ends_initial_events: bool = False) -> bytes:
        metadata = {"resourceVersion": str(self._store.version)} | (_INITIAL_EVENTS_END if ends_initial_events else {})
        return event_line("BOOKMARK", self._served.head, b'"metadata":%b}' % msgspec.json.encode(metadata))
