"""
Decide what an answer means. One rule for all verbs: it is what its `kind` says, whatever the HTTP code. Pure.

AnswerKind                                         What it means
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

ACCEPTED holds this as data. After a DecodeError from here nothing was learnt: what was known before stays, and of a
write nobody knows whether it was carried out.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple, Self

import msgspec

from ctrlkit.errors import ApiError, DecodeError
from ctrlkit.model import Action, AnyResource, ObjectKey, ObjectMeta, Verb
from ctrlkit.wire.documents import (
    UNREADABLE,
    Head,
    TypeMeta,
    describe,
    explain,
    read_head,
    read_loosely,
    read_type_meta,
    type_meta_in,
)
from ctrlkit.wire.list_parts import ListPage

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


class AnswerKind(StrEnum):
    """What an answer is, by its `kind` and `apiVersion`."""

    FAILURE = "a Status of failure"
    SUCCESS = "a Status of success"
    OBJECT = "the kind asked for"
    METADATA = _PARTIAL
    LIST = "a list of the kind asked for"
    METADATA_LIST = f"{_PARTIAL}List"
    OTHER = "another kind"
    NOTHING = "nothing that says what it is"


class Expected(StrEnum):
    """What a verb asks for."""

    OBJECT = "an object"
    METADATA = "an object's metadata"
    LIST = "a list"
    METADATA_LIST = "a list of metadata"
    END = "an object's end"
    ENDS = "the end of objects"
    OTHER_FORM = "a subresource with forms of its own"


ACCEPTED: Final[Mapping[Expected, frozenset[AnswerKind]]] = {
    Expected.OBJECT: frozenset({AnswerKind.OBJECT}),
    Expected.METADATA: frozenset({AnswerKind.METADATA, AnswerKind.OBJECT}),
    Expected.LIST: frozenset({AnswerKind.LIST}),
    Expected.METADATA_LIST: frozenset({AnswerKind.METADATA_LIST, AnswerKind.LIST}),
    Expected.END: frozenset({AnswerKind.OBJECT, AnswerKind.SUCCESS}),
    Expected.ENDS: frozenset({AnswerKind.LIST, AnswerKind.SUCCESS}),
    Expected.OTHER_FORM: frozenset(AnswerKind) - {AnswerKind.FAILURE, AnswerKind.NOTHING},
}
"""What fits what was asked for; a FAILURE is its ApiError everywhere, and all else a DecodeError."""

_OF_VERB: Final[Mapping[Verb, Expected]] = {
    Verb.GET: Expected.OBJECT,
    Verb.LIST: Expected.LIST,
    Verb.WATCH: Expected.OBJECT,
    Verb.CREATE: Expected.OBJECT,
    Verb.UPDATE: Expected.OBJECT,
    Verb.PATCH: Expected.OBJECT,
    Verb.DELETE: Expected.END,
    Verb.DELETE_COLLECTION: Expected.ENDS,
}
_OF_METADATA: Final[Mapping[Expected, Expected]] = {
    Expected.OBJECT: Expected.METADATA,
    Expected.LIST: Expected.METADATA_LIST,
}


class ExpectedType(NamedTuple):
    """The kinds by which the answers of one resource, or of one of its subresources, name themselves."""

    api_version: str
    kind: str
    list_kind: str = ""

    def classify(self, said: TypeMeta) -> AnswerKind:
        """The kind of answer that a document is; whether a Status says Success is not looked at."""
        kind, version = said.kind or "", said.api_version or ""
        if not kind:
            return AnswerKind.NOTHING
        fits = version in ("", self.api_version)
        if fits and kind == self.kind:
            return AnswerKind.OBJECT
        if (fits and kind == self.list_kind) or (kind == "List" and version in ("", "v1")):
            return AnswerKind.LIST
        if kind == "Status" and version in _STATUS_VERSIONS:
            return AnswerKind.FAILURE
        if version in ("", _META_VERSION):
            return {_PARTIAL: AnswerKind.METADATA, f"{_PARTIAL}List": AnswerKind.METADATA_LIST}.get(
                kind, AnswerKind.OTHER
            )
        return AnswerKind.OTHER


_SCALE: Final = ExpectedType("autoscaling/v1", "Scale")


class Answer(NamedTuple):
    """
    An answer that is what was asked for.

    Shape   `fault` says why its object cannot be decoded, where that is known already; `head` then has what could be
            read.
    """

    head: Head
    data: bytes
    fault: DecodeError | None = None


class Question(NamedTuple):
    """What was asked for; decides whether a document answers it."""

    attempted: str | Action
    want: Expected
    form: ExpectedType
    next_step: str

    @classmethod
    def about(cls, resource: AnyResource, verb: Verb, subresource: str = "", *, attempted: str | Action = "") -> Self:
        """What a verb asks of a resource."""
        form, want = ExpectedType(resource.api_version, resource.kind, resource.list_kind), _OF_VERB[verb]
        if subresource == "scale":
            form = _SCALE
        elif subresource not in _WHOLE_OBJECT or resource.identity in _ANSWERED_WITH_A_STATUS:
            want = Expected.OTHER_FORM
        elif resource.is_metadata_only:
            want = _OF_METADATA.get(want, want)
        return cls(attempted or f"{verb} {resource}", want, form, f"{READ_AGAIN}; {_WHO}" if verb.writes else _WHO)

    def accept(self, said: TypeMeta, document: bytes | None = None) -> AnswerKind:
        """
        The kind of answer that a document is; `document` is None for what is part of another one.

        Errors  ApiError for a Status of failure; DecodeError for what was not asked for.
        """
        came = self.form.classify(said)
        if came is AnswerKind.FAILURE and document is not None:
            status = read_loosely(document) or {}
            if status.get("status") != "Success":
                raise ApiError.of_status(status, evidence="a Status in the place of an answer")
            came = AnswerKind.SUCCESS
        if came not in ACCEPTED[self.want]:
            raise self.unwanted(said, document)
        return came

    def unwanted(self, said: TypeMeta, document: bytes | None = None) -> DecodeError:
        """The error for a document that does not answer the question."""
        wants_list = self.want in (Expected.LIST, Expected.METADATA_LIST, Expected.ENDS)
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
        if self.want is Expected.METADATA:
            pairs.insert(0, (_META_VERSION, _PARTIAL))
        texts = [(b'"apiVersion":"%b"' % version.encode(), b'"kind":"%b"' % kind.encode()) for version, kind in pairs]
        orders = [b",".join(order) for text in texts for order in (text, text[::-1])]
        return tuple(b"%b%b," % (begin, order) for order in orders for begin in before)


# ---- whole answers ---------------------------------------------------------------------------------------------------


def check_answer(action: Action, data: bytes) -> Answer:
    """
    Check that the answer to any verb but list and watch is what was asked for.

    >>> from ctrlkit.model.kinds import PODS
    >>> get = Action(verb=Verb.GET, resource=PODS, namespace="demo", name="a")
    >>> check_answer(get, b'{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a"}}').head.metadata.name
    'a'
    >>> check_answer(get, b'{"kind": "Status", "status": "Failure", "reason": "NotFound", "message": "no such pod"}')
    Traceback (most recent call last):
      ...
    ctrlkit.errors.NotFound: no such pod; ...
    >>> check_answer(get, b"<html>")
    Traceback (most recent call last):
      ...
    ctrlkit.errors.DecodeError: get pods demo/a: what came is a page of HTML or XML, not a Pod of v1; ...

    Errors  ApiError for a Status of failure; DecodeError for what was not asked for.
    """
    question = _question(action.resource, action.verb, action.subresource)
    head, fault = read_head(data)
    came = question.form.classify(head)
    if came is AnswerKind.FAILURE or came not in ACCEPTED[question.want]:
        came = question._replace(attempted=action).accept(head, data)
    if came in (AnswerKind.OBJECT, AnswerKind.METADATA) and question.want is not Expected.OTHER_FORM:
        if head.metadata is None:
            raise DecodeError(f"{action}: what came is a {head.kind} without metadata; {question.next_step}")
        if not _is_about(action, head.metadata):
            raise DecodeError(
                f"{action}: what came is the {head.kind} {_shown(head.metadata.key)}; {question.next_step}"
            )
    if came is AnswerKind.SUCCESS and action.name and (other := head.name_in_details()) not in ("", action.name):
        raise DecodeError(f"{action}: what came is a Status about {other[:64]!r}; {question.next_step}")
    if fault is None:
        return Answer(head, data)
    told = DecodeError(f"{action}: the {head.kind} that came cannot be read: {explain(fault)}; correct the object")
    return Answer(head, data, told)


@functools.lru_cache(maxsize=1024)
def _question(resource: AnyResource, verb: Verb, subresource: str) -> Question:
    return Question.about(resource, verb, subresource)


def _is_about(action: Action, metadata: ObjectMeta) -> bool:
    """Whether an object is the one that was asked for: what is said of one must not be taken for another."""
    is_named = metadata.name in (action.name, "") if action.verb is Verb.CREATE else metadata.name == action.name
    is_there = metadata.namespace in (action.namespace, "")
    return (is_named or not action.name) and is_there


def _shown(key: ObjectKey) -> str:
    return repr(str(key)[:128])


def wrong_namespace(action: Action, key: ObjectKey, version: str) -> DecodeError:
    """The error for an object of another namespace than was asked for."""
    return DecodeError(f"{action}: what came is an object of another namespace: {_shown(key)}; {_WHO}", version=version)


class ListAnswers:
    """Judges the answers to lists of a resource, and the items in them."""

    def __init__(self, resource: AnyResource) -> None:
        self._question = Question.about(resource, Verb.LIST)
        self._item = item = Question.about(resource, Verb.GET, attempted=f"list {resource}: an item")
        self._openings = (b'{"metadata":{', *item.openings())
        self._longest = max(map(len, self._openings))

    def accept(self, page: ListPage, data: bytes) -> None:
        """
        Accept a list by its last page, which has what the list says of itself.

        Errors  ApiError for a Status of failure; DecodeError for what is no such list.
        """
        self._question.accept(TypeMeta(page.kind, page.api_version), data)
        missing = "items" if page.items is msgspec.UNSET else "metadata" if page.metadata is None else ""
        if missing:
            raise DecodeError(f"{self._question.attempted}: what came is a {page.kind} without {missing}; {_WHO}")

    def unreadable(self, data: bytes, error: Exception) -> ApiError | DecodeError:
        """The error of an answer that could not be read: what its Status tells, else what is wrong with it."""
        said = read_type_meta(data)
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
        said = read_type_meta(bytes(item))
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
            document = read_type_meta(line)
            if self._question.form.classify(document) is AnswerKind.FAILURE:
                self._question.accept(document, line)
            raise self._question.unwanted(document, line)
        self._question.accept(said.object)

    def _raise_error(self, line: bytes) -> None:
        status = (read_loosely(line) or {}).get("object")
        if self._question.form.classify(type_meta_in(status)) is not AnswerKind.FAILURE:
            raise DecodeError(f"{self._question.attempted}: an ERROR line without a Status; {_WHO}")
        raise ApiError.of_status(status or {}, evidence="ERROR event in the watch")


class _Line(msgspec.Struct):
    type: str | None = None
    object: TypeMeta | None = None


_LINE = msgspec.json.Decoder(_Line)


def _read_line(line: bytes) -> _Line:
    try:
        return _LINE.decode(line)
    except UNREADABLE:
        loose = read_loosely(line) or {}
    event_type, found = loose.get("type"), loose.get("object")
    return _Line(
        event_type if isinstance(event_type, str) else None, type_meta_in(found) if isinstance(found, dict) else None
    )
