"""One request's answers in the form its client accepts."""

from __future__ import annotations

from aiohttp import web

from ctrlkit import clock
from ctrlkit.fakes.apiserver.negotiation import Form, accepted_form
from ctrlkit.fakes.apiserver.tables import Include, Tables
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.verbs.partial import metadata_event, metadata_only


class View:
    """
    What a client gets to see: objects whole, as rows of a Table, or their metadata.

    Errors  NotAcceptable and BadRequest on construction, before anything is done.
    """

    def __init__(self, request: web.BaseRequest, served: Strategy) -> None:
        self._form = accepted_form(request.headers.get("Accept", ""))
        self._tables = Tables(served, Include.parse(request.rel_url.query.get("includeObject", "")))
        self._columns_sent = False

    def of(self, answer: bytes) -> bytes:
        """An object or a list."""
        match self._form:
            case Form.OBJECT:
                return answer
            case Form.METADATA:
                return metadata_only(answer)
            case Form.TABLE:
                return self._tables.of(answer, clock.now())

    def event(self, line: bytes) -> bytes:
        """A line of a watch."""
        match self._form:
            case Form.OBJECT:
                return line
            case Form.METADATA:
                return metadata_event(line)
            case Form.TABLE:
                first, self._columns_sent = not self._columns_sent, True
                return self._tables.event(line, clock.now(), first=first)
