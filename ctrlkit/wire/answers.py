"""
What an answer means. One rule for all verbs: it is what its `kind` says, whatever the HTTP code. Pure.

What came (Came)                                   What it means
FAILURE   a Status that does not say Success       to every verb: the ApiError that it tells
SUCCESS   a Status of Success                      to a delete, and to a subresource with forms of its own: carried out;
                                                   to all else: DecodeError
OBJECT    the kind and version asked for           to a verb about one object: that object; DecodeError where it has
                                                   no metadata, or another name or namespace than was asked for
METADATA  PartialObjectMetadata                    the object, where metadata alone was asked for; else DecodeError
LIST      <Kind>List of the version asked for,     to list and deletecollection: the list; `items: null` is an empty
          or List of v1                            one, and without `items` or `metadata` it is none: DecodeError
METADATA_LIST  PartialObjectMetadataList           the list, where metadata alone was asked for; else DecodeError
OTHER     any other kind, a Table among them       DecodeError; to a subresource with forms of its own: its form
NOTHING   no kind: an empty body, a page of HTML,  DecodeError
          half of a document, another encoding

A `kind` has to be there; an `apiVersion` may be missing, and must fit where it is there. In a watch each line is
{"type": ..., "object": ...}: ERROR with a Status is its ApiError, the object of any other type is OBJECT (or METADATA,
where that was asked for), and all else is a DecodeError; a Status in the place of a line is its ApiError as well. An
item of a list may leave out what it is, and must be OBJECT or METADATA where it does not.

WANTED holds this as data. A DecodeError from here means that nothing was learnt: what was there before stays, and of a
write nobody knows whether it was carried out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Self

import msgspec

from ctrlkit.errors import ApiError, DecodeError
from ctrlkit.model import Action, AnyResource, ObjectKey, ObjectMeta, Verb
from ctrlkit.wire.heads import Head, Said, describe, read_head, read_said, said_in
from ctrlkit.wire.list_parts import Page
from ctrlkit.wire.salvage import UNREADABLE, explain, read_loosely

READ_AGAIN: Final = "nobody knows whether it was carried out: read the object before you try again"
"""What to do after a write whose answer was lost, or was none."""
_META_VERSION: Final = "meta.k8s.io/v1"
_PARTIAL: Final = "PartialObjectMetadata"
_STATUS_VERSIONS: Final = ("", "v1", _META_VERSION)
"""A custom kind may be called Status as well, in a group of its own."""
_WHOLE_OBJECT: Final = frozenset({"", "status", "finalize", "ephemeralcontainers", "resize", "approval"})
"""Subresources that answer with the object itself."""
_ANSWERED_WITH_A_STATUS: Final = frozenset({("", "bindings")})
"""Kinds that are not kept: to make one is to have something done."""
_EVENT_TYPES: Final = (b"ADDED", b"MODIFIED", b"DELETED")
_WHO: Final = "see what answers at this address: a proxy, perhaps, or another server"


class Came(Enum):
    """What an answer is, by what it says."""

    FAILURE = "a Status of failure"
    SUCCESS = "a Status of success"
    OBJECT = "the kind asked for"
    METADATA = _PARTIAL
    LIST = "a list of the kind asked for"
    METADATA_LIST = f"{_PARTIAL}List"
    OTHER = "another kind"
    NOTHING = "nothing that says what it is"


class Want(Enum):
    """What a verb asks for."""

    OBJECT = "an object"
    METADATA = "an object's metadata"
    LIST = "a list"
    METADATA_LIST = "a list of metadata"
    END = "an object's end"
    ENDS = "the end of objects"
    OTHER_FORM = "a subresource with forms of its own"


WANTED: Final[Mapping[Want, frozenset[Came]]] = {
    Want.OBJECT: frozenset({Came.OBJECT}),
    Want.METADATA: frozenset({Came.METADATA, Came.OBJECT}),
    Want.LIST: frozenset({Came.LIST}),
    Want.METADATA_LIST: frozenset({Came.METADATA_LIST, Came.LIST}),
    Want.END: frozenset({Came.OBJECT, Came.SUCCESS}),
    Want.ENDS: frozenset({Came.LIST, Came.SUCCESS}),
    Want.OTHER_FORM: frozenset(Came) - {Came.FAILURE, Came.NOTHING},
}
"""What fits what was asked for; a FAILURE is its ApiError everywhere, and all else a DecodeError."""

_OF_VERB: Final[Mapping[Verb, Want]] = {
    Verb.GET: Want.OBJECT,
    Verb.LIST: Want.LIST,
    Verb.WATCH: Want.OBJECT,
    Verb.CREATE: Want.OBJECT,
    Verb.UPDATE: Want.OBJECT,
    Verb.PATCH: Want.OBJECT,
    Verb.DELETE: Want.END,
    Verb.DELETE_COLLECTION: Want.ENDS,
}
_OF_METADATA: Final[Mapping[Want, Want]] = {Want.OBJECT: Want.METADATA, Want.LIST: Want.METADATA_LIST}


@dataclass(frozen=True, slots=True)
class Form:
    """What the answers of one resource, or of one of its subresources, say that they are."""

    api_version: str
    kind: str
    list_kind: str = ""

    def came(self, said: Said) -> Came:
        """Which row of the table a document is in; whether a Status says Success is not looked at."""
        kind, version = said.kind or "", said.api_version or ""
        if not kind:
            return Came.NOTHING
        fits = version in ("", self.api_version)
        if fits and kind == self.kind:
            return Came.OBJECT
        if (fits and kind == self.list_kind) or (kind == "List" and version in ("", "v1")):
            return Came.LIST
        if kind == "Status" and version in _STATUS_VERSIONS:
            return Came.FAILURE
        if version in ("", _META_VERSION):
            return {_PARTIAL: Came.METADATA, f"{_PARTIAL}List": Came.METADATA_LIST}.get(kind, Came.OTHER)
        return Came.OTHER


_SCALE: Final = Form("autoscaling/v1", "Scale")


@dataclass(frozen=True, slots=True)
class Answer:
    """
    An answer that is what was asked for.

    Shape   `fault` says why its object cannot be used, where that is known already: the head has what could be read.
    """

    head: Head
    data: bytes
    fault: DecodeError | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked: decides whether a document answers it."""

    attempted: str
    want: Want
    form: Form
    next_step: str

    @classmethod
    def about(cls, resource: AnyResource, verb: Verb, subresource: str = "", *, attempted: str = "") -> Self:
        """What a verb asks of a resource."""
        form, want = Form(resource.api_version, resource.kind, resource.list_kind), _OF_VERB[verb]
        if subresource == "scale":
            form = _SCALE
        elif subresource not in _WHOLE_OBJECT or resource.identity in _ANSWERED_WITH_A_STATUS:
            want = Want.OTHER_FORM
        elif resource.is_metadata_only:
            want = _OF_METADATA.get(want, want)
        return cls(attempted or f"{verb} {resource}", want, form, f"{READ_AGAIN}; {_WHO}" if verb.writes else _WHO)

    def accept(self, said: Said, document: bytes | None = None) -> Came:
        """
        The row of the table that a document is in; `document` is None for what is part of another one.

        Errors  ApiError for a Status of failure; DecodeError for what was not asked for.
        """
        came = self.form.came(said)
        if came is Came.FAILURE and document is not None:
            status = read_loosely(document) or {}
            if status.get("status") != "Success":
                raise ApiError.of_status(status, evidence="a Status in the place of an answer")
            came = Came.SUCCESS
        if came not in WANTED[self.want]:
            raise self.unwanted(said, document)
        return came

    def unwanted(self, said: Said, document: bytes | None = None) -> DecodeError:
        """The error of a document that does not answer."""
        wants_list = self.want in (Want.LIST, Want.METADATA_LIST, Want.ENDS)
        what = describe(document) if document is not None and not said.kind else str(said)
        advice = self.next_step
        if wants_list and said.kind != self.form.kind and said.api_version == self.form.api_version:
            advice += "; if the kind's definition names its lists so, give the resource this list_kind"
        wanted = self.form.list_kind if wants_list else self.form.kind
        return DecodeError(
            f"{self.attempted}: what came is {what}, not a {wanted} of {self.form.api_version}; {advice}"
        )

    def openings(self, before: tuple[bytes, ...] = (b"{",)) -> tuple[bytes, ...]:
        """How servers begin an object that answers, behind each of these."""
        pairs = [(self.form.api_version, self.form.kind)]
        if self.want is Want.METADATA:
            pairs.insert(0, (_META_VERSION, _PARTIAL))
        texts = [(b'"apiVersion":"%b"' % version.encode(), b'"kind":"%b"' % kind.encode()) for version, kind in pairs]
        orders = [b",".join(order) for text in texts for order in (text, text[::-1])]
        return tuple(b"%b%b," % (begin, order) for order in orders for begin in before)


# ---- whole answers ---------------------------------------------------------------------------------------------------


def judge(action: Action, data: bytes) -> Answer:
    """
    An answer to any verb but list and watch, if it is what was asked for.

    >>> from ctrlkit.model.kinds import PODS
    >>> get = Action(verb=Verb.GET, resource=PODS, namespace="demo", name="a")
    >>> judge(get, b'{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a"}}').head.metadata.name
    'a'
    >>> judge(get, b'{"kind": "Status", "status": "Failure", "reason": "NotFound", "message": "no such pod"}')
    Traceback (most recent call last):
      ...
    ctrlkit.errors.NotFound: no such pod; ...
    >>> judge(get, b"<html>")
    Traceback (most recent call last):
      ...
    ctrlkit.errors.DecodeError: get pods demo/a: what came is a page of HTML or XML, not a Pod of v1; ...

    Errors  ApiError for a Status of failure; DecodeError for what was not asked for.
    """
    attempted = str(action)
    question = Question.about(action.resource, action.verb, action.subresource, attempted=attempted)
    head, fault = read_head(data)
    came = question.accept(head, data)
    if came in (Came.OBJECT, Came.METADATA) and question.want is not Want.OTHER_FORM:
        if head.metadata is None:
            raise DecodeError(f"{attempted}: what came is a {head.kind} without metadata; {question.next_step}")
        if not _is_about(action, head.metadata):
            raise DecodeError(
                f"{attempted}: what came is the {head.kind} {_shown(head.metadata.key)}; {question.next_step}"
            )
    if came is Came.SUCCESS and action.name and (other := head.name_in_details()) not in ("", action.name):
        raise DecodeError(f"{attempted}: what came is a Status about {other[:64]!r}; {question.next_step}")
    if fault is None:
        return Answer(head, data)
    told = DecodeError(f"{attempted}: the {head.kind} that came cannot be read: {explain(fault)}; correct the object")
    return Answer(head, data, told)


def _is_about(action: Action, metadata: ObjectMeta) -> bool:
    """Whether an object is the one that was asked for: what is said of one must not be taken for another."""
    is_named = metadata.name in (action.name, "") if action.verb is Verb.CREATE else metadata.name == action.name
    is_there = metadata.namespace in (action.namespace, "")
    return (is_named or not action.name) and is_there


def _shown(key: ObjectKey) -> str:
    return repr(str(key)[:128])


def stray(action: Action, key: ObjectKey, version: str) -> DecodeError:
    """The error of an object that came with a collection of another namespace."""
    return DecodeError(f"{action}: what came is an object of another namespace: {_shown(key)}; {_WHO}", version=version)


class ListAnswers:
    """Judges the answers to lists of a resource, and the items in them."""

    def __init__(self, resource: AnyResource) -> None:
        self._question = Question.about(resource, Verb.LIST)
        self._item = item = Question.about(resource, Verb.GET, attempted=f"list {resource}: an item")
        self._openings = (b'{"metadata":{', *item.openings())
        self._longest = max(map(len, self._openings))

    def accept(self, page: Page, data: bytes) -> None:
        """
        Accept a list by its last page, which has what the list says of itself.

        Errors  ApiError for a Status of failure; DecodeError for what is no such list.
        """
        self._question.accept(Said(page.kind, page.api_version), data)
        missing = "items" if page.items is msgspec.UNSET else "metadata" if page.metadata is None else ""
        if missing:
            raise DecodeError(f"{self._question.attempted}: what came is a {page.kind} without {missing}; {_WHO}")

    def unreadable(self, data: bytes, error: Exception) -> ApiError | DecodeError:
        """The error of an answer that could not be read: what its Status tells, else what is wrong with it."""
        said = read_said(data)
        try:
            self._question.accept(said, data)
        except (ApiError, DecodeError) as told:
            return told
        fact = f"what came is a {said.kind} that cannot be read: {explain(error)}"
        return DecodeError(f"{self._question.attempted}: {fact}; {_WHO}")

    def accept_item(self, item: msgspec.Raw) -> None:
        """
        Accept an item by what it says it is, if it says so at all.

        Errors  DecodeError for an object of another kind.
        """
        if bytes(memoryview(item)[: self._longest]).startswith(self._openings):
            return
        said = read_said(bytes(item))
        if said.kind is not None or said.api_version not in (None, "", self._item.form.api_version):
            self._item.accept(said)


class WatchAnswers:
    """Judges the lines of a resource's watches."""

    def __init__(self, resource: AnyResource) -> None:
        self._question = question = Question.about(resource, Verb.WATCH)
        self._openings = question.openings(tuple(b'{"type":"%b","object":{' % kind for kind in _EVENT_TYPES))

    def accept(self, line: bytes) -> None:
        """
        Accept a line by what it says it is; one that begins as servers write it needs no second look.

        Errors  ApiError for an ERROR line's Status, and for a Status in the place of a line; DecodeError for what is no
                line, and for an object of another kind: it has no version, as it tells nothing of this collection.
        """
        if line.startswith(self._openings):
            return
        said = _read_line(line)
        if said.type == "ERROR":
            self._raise_error(line)
        if said.type is None or said.object is None:
            document = read_said(line)
            if self._question.form.came(document) is Came.FAILURE:
                self._question.accept(document, line)
            raise self._question.unwanted(document, line)
        self._question.accept(said.object)

    def _raise_error(self, line: bytes) -> None:
        status = (read_loosely(line) or {}).get("object")
        if self._question.form.came(said_in(status)) is not Came.FAILURE:
            raise DecodeError(f"{self._question.attempted}: an ERROR line without a Status; {_WHO}")
        raise ApiError.of_status(status or {}, evidence="ERROR event in the watch")


class _Line(msgspec.Struct):
    type: str | None = None
    object: Said | None = None


_LINE = msgspec.json.Decoder(_Line)


def _read_line(line: bytes) -> _Line:
    try:
        return _LINE.decode(line)
    except UNREADABLE:
        loose = read_loosely(line) or {}
    event_type, found = loose.get("type"), loose.get("object")
    return _Line(
        event_type if isinstance(event_type, str) else None, said_in(found) if isinstance(found, dict) else None
    )
