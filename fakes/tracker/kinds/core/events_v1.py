"""
Events as events.k8s.io/v1: the objects of core/v1 with other names of fields and stricter rules.

In       An Action about EVENTS_V1.
Out      The Action about EVENTS that it comes to, and the answer to that in the newer form.

Fields are exchanged, both ways by the same table: what is no field of one form is none of the other afterwards. Who
owns which fields is kept in the words of core/v1, whichever form was written.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ctrlkit.errors import ApiError, Invalid
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.core.events import EXCHANGED, exchanged
from ctrlkit.fakes.tracker.notices import notice, noticed
from ctrlkit.fakes.tracker.refusals import Cause, bad_request, invalid, json_text
from ctrlkit.fakes.tracker.verbs.serve import check_metadata, serve
from ctrlkit.model import Action, Lines, Verb
from ctrlkit.model.kinds import EVENTS, EVENTS_V1

Plain = Mapping[str, Any]

_LEFT_OUT_EMPTY = ("reportingController", "reportingInstance")
_SELECTABLE = ("reason", "type", "reportingController", "regarding", "metadata")
_IMMUTABLE = (
    *("involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type", "eventTime"),
    *("action", "related", "reportingComponent", "reportingInstance"),
)
_UNKNOWN_FIELD = re.compile(r'(?<=unknown field ")\w+')


def is_newer_form(action: Action) -> bool:
    """Whether an Action is about this form."""
    return action.resource.identity == EVENTS_V1.identity


def as_core(action: Action) -> Action:
    """
    Convert an Action to the same one on core/v1.

    Errors  BadRequest for a field that Events of this form cannot be selected by.
    """
    options, body = action.options, action.body
    if options.field_selector:
        options = dataclasses.replace(options, field_selector=_selector(options.field_selector))
    if isinstance(body, Mapping):
        body = _with_version(exchanged(body), EVENTS_V1.api_version, EVENTS.api_version)
    elif isinstance(body, Sequence) and not isinstance(body, str):
        body = [_operation(one) if isinstance(one, Mapping) else one for one in body]
    return dataclasses.replace(action, resource=EVENTS, body=body, options=options)


def serve_events(core: Core, action: Action) -> bytes:
    """
    Perform an Action on Events of this form.

    Errors  As `verbs.serve`, and Invalid where the rules of this form are broken.
    """
    as_stored = as_core(action)
    try:
        with noticed() as texts:
            if action.verb in (Verb.CREATE, Verb.UPDATE, Verb.PATCH):
                check_metadata(as_stored)
                _check(core, as_stored)
            answer = serve(core, as_stored)
    except ApiError as error:
        raise _retold(error) from None
    for text in texts:
        notice(_in_newer_words(text))
    return shown(answer)


def shown(answer: bytes) -> bytes:
    """An Event or a list of them in this form; a Status as it is."""
    body = msgspec.json.decode(answer)
    if body.get("kind") == "Status":
        return answer
    if "items" in body:
        body["items"] = [_shown(item) for item in body["items"]]
    return msgspec.json.encode(_shown(body))


async def shown_lines(lines: Lines) -> AsyncGenerator[Sequence[bytes], None]:
    """The lines of a watch in this form."""
    async for batch in lines:
        yield [_shown_line(line) for line in batch]


def _shown(plain: Plain) -> dict[str, Any]:
    newer = _with_version(exchanged(plain), EVENTS.api_version, EVENTS_V1.api_version)
    return {name: value for name, value in newer.items() if value != "" or name not in _LEFT_OUT_EMPTY}


def _shown_line(line: bytes) -> bytes:
    event = msgspec.json.decode(line)
    if event["type"] == "ERROR":
        return line
    return msgspec.json.encode({"type": event["type"], "object": _shown(event["object"])})


def _with_version(plain: dict[str, Any], before: str, after: str) -> dict[str, Any]:
    return plain | {"apiVersion": after} if plain.get("apiVersion") == before else plain


def _operation(operation: Plain) -> dict[str, Any]:
    """One operation of a JSON patch."""
    paths = {name: operation[name] for name in ("path", "from") if isinstance(operation.get(name), str)}
    return {**operation, **{name: _pointer(path) for name, path in paths.items()}}


def _pointer(path: str) -> str:
    root, *steps = path.split("/")
    return "/".join([root, *(EXCHANGED.get(step, step) for step in steps[:1]), *steps[1:]])


def _selector(text: str) -> str:
    terms = []
    for term in text.split(","):
        path, operator, value = re.fullmatch(r"([^=!]*)(!=|==?|)(.*)", term, re.DOTALL).groups()  # type: ignore[union-attr]
        head, dot, rest = path.strip().partition(".")
        if operator and head not in _SELECTABLE:
            raise bad_request(f"field label not supported: {path}")
        terms.append(f"{EXCHANGED.get(head, head)}{dot}{rest}{operator}{value}")
    return ",".join(terms)


def _check(core: Core, action: Action) -> None:
    """Refuse what core/v1 would take, all causes in one answer; `action` is the one on core/v1."""
    current = core.find(core.served(EVENTS), action.key) if action.name else None
    trial = dataclasses.replace(action, options=dataclasses.replace(action.options, dry_run=True))
    try:
        plain = msgspec.json.decode(serve(core, trial))
        causes = []
    except Invalid as error:
        plain, causes = action.body, [Cause(**cause) for cause in error.details.get("causes") or ()]
        if action.verb is Verb.PATCH or not causes:
            raise
    name = (plain.get("metadata") or {}).get("name") or action.name
    stricter = [*(_new_causes(plain) if current is None else _change_causes(plain, current.plain))]
    if stricter:
        raise invalid(EVENTS, name, *causes, *stricter)


def _new_causes(plain: Plain) -> Iterator[Cause]:
    yield from _series_causes(plain)
    if not plain.get("eventTime"):
        yield Cause.required("eventTime")
    if plain.get("type") not in ("Normal", "Warning"):
        yield Cause.wrong("type", "", f"has invalid value: {plain.get('type') or ''}")
    for name in ("firstTimestamp", "lastTimestamp", "count", "source"):
        if plain.get(name):
            yield Cause.wrong(name, "", "needs to be unset")


def _change_causes(plain: Plain, old: Plain) -> Iterator[Cause]:
    if plain.get("series") != old.get("series"):
        yield from _series_causes(plain)
    for name in _IMMUTABLE:
        if plain.get(name) != old.get(name):
            yield Cause.invalid(name, json_text(plain.get(name)), "field is immutable")


def _series_causes(plain: Plain) -> Iterator[Cause]:
    series = plain.get("series")
    if series is None:
        return
    if (series.get("count") or 0) < 2:
        yield Cause.wrong("series.count", "", "should be at least 2")
    if not series.get("lastObservedTime"):
        yield Cause.required("series.lastObservedTime")


def _retold(error: ApiError) -> ApiError:
    """A refusal as the server words it for this form: the group is in the names, the fields are those of the form."""
    status = error.to_status()
    details = status.get("details") or {}
    if details.get("kind") == EVENTS.plural:
        details["group"] = EVENTS_V1.group
        status["message"] = status["message"].replace(f'{EVENTS} "', f'{EVENTS_V1} "', 1)
    for cause in details.get("causes") or ():
        if "field" in cause:
            cause["field"] = cause["field"].replace("reportingComponent", "reportingController")
    status["message"] = _in_newer_words(status["message"]).replace("reportingComponent: ", "reportingController: ")
    retold = ApiError.of_status(status)
    retold.reason = error.reason  # some refusals have none
    return retold


def _in_newer_words(text: str) -> str:
    return _UNKNOWN_FIELD.sub(lambda found: EXCHANGED.get(found[0], found[0]), text)
