"""Reads Accept headers: the media type of an answer and the form of the objects in it, as a real server decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import cache, lru_cache

from ctrlkit.errors import NotAcceptable


class Media(Enum):
    """The media types in which objects are sent."""

    JSON = "application/json"
    YAML = "application/yaml"
    PROTOBUF = "application/vnd.kubernetes.protobuf"

    @property
    def streamed(self) -> str:
        """The content type of a watch."""
        return f"{self.value};stream=watch" if self is Media.PROTOBUF else self.value


class Form(Enum):
    """The form in which objects, lists and watch events are sent."""

    OBJECT = "Object"
    TABLE = "Table"
    METADATA = "PartialObjectMetadata"
    METADATA_LIST = "PartialObjectMetadataList"
    DISCOVERY = "APIGroupDiscoveryList"


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a client gets."""

    media: Media
    form: Form
    is_beta: bool = field(default=False, repr=False)
    """Whether Tables and metadata are called meta.k8s.io/v1beta1, as old clients ask for them; nothing else differs."""


_KEPT = 64
"""How many Accept headers are remembered: clients have a few."""

Forms = frozenset[tuple[Media, Form]]

_FORMS = {
    ("Table", "v1", "meta.k8s.io"): Form.TABLE,
    ("PartialObjectMetadata", "v1", "meta.k8s.io"): Form.METADATA,
    ("PartialObjectMetadataList", "v1", "meta.k8s.io"): Form.METADATA_LIST,
    ("APIGroupDiscoveryList", "v2", "apidiscovery.k8s.io"): Form.DISCOVERY,
    ("", "", ""): Form.OBJECT,
}
_STREAMED = (Media.JSON, Media.PROTOBUF)
PLAIN_FORMS: Forms = frozenset((media, Form.OBJECT) for media in Media)
DISCOVERY_FORMS: Forms = PLAIN_FORMS | {(media, Form.DISCOVERY) for media in Media}


@cache
def forms_of(*, has_message: bool) -> Forms:
    """Return what is made of objects: Tables and custom resources have no message, but the metadata of both has one."""
    without = {(Media.PROTOBUF, Form.TABLE), *(() if has_message else [(Media.PROTOBUF, Form.OBJECT)])}
    return frozenset((media, form) for media in Media for form in Form if form is not Form.DISCOVERY) - without


@lru_cache(maxsize=_KEPT)
def negotiate(accept: str, forms: Forms) -> Accepted:
    """
    Return the first of the forms that an Accept header asks for; JSON by default.

    >>> forms = forms_of(has_message=False)
    >>> negotiate("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", forms)
    Accepted(media=<Media.JSON: 'application/json'>, form=<Form.TABLE: 'Table'>)
    >>> negotiate("application/vnd.kubernetes.protobuf, application/json", forms).media
    <Media.JSON: 'application/json'>

    >>> negotiate("application/json;as=Table;v=v1beta1;g=meta.k8s.io", forms).is_beta
    True

    Errors  NotAcceptable if there is none.
    """
    if not accept:
        return Accepted(Media.JSON, Form.OBJECT)
    for media_range, parameters in clauses(accept):
        media, version, group = _media_of(media_range), parameters.get("v", ""), parameters.get("g", "")
        is_beta = (version, group) == ("v1beta1", "meta.k8s.io") and media is not Media.PROTOBUF
        form = _FORMS.get((parameters.get("as", ""), "v1" if is_beta else version, group))
        if media and form and (media, form) in forms and parameters.get("stream", "watch") in ("", "watch"):
            return Accepted(media, form, is_beta)
    raise _not_acceptable(produced_by(lists=False))


def check_streamed(accepted: Accepted) -> None:
    """Refuse to watch in a media type that cannot be told apart in a stream. Errors: NotAcceptable."""
    if accepted.media not in _STREAMED:
        raise _not_acceptable(f"{media.value};stream=watch" for media in _STREAMED)


def _not_acceptable(media_types: Iterable[str]) -> NotAcceptable:
    return NotAcceptable(f"only the following media types are accepted: {', '.join(media_types)}")


@lru_cache(maxsize=_KEPT)
def check_route(accept: str, produced: tuple[str, ...]) -> None:
    """
    Refuse a request whose route produces nothing that its Accept header names. Errors: NotAcceptable.

    >>> check_route("application/json;charset=utf-8", ("application/json",))
    """
    named = {clause.partition(";")[0].strip() for clause in (accept or "*/*").split(",")}
    if named.isdisjoint(("*/*", *produced)):
        raise NotAcceptable(f"406: Not Acceptable\n\nAvailable representations: {', '.join(produced)}")


@cache
def produced_by(*, lists: bool) -> tuple[str, ...]:
    """Return what the routes of a kind produce; `lists` are those that watch as well."""
    return (*(media.value for media in Media), *(f"{media.value};stream=watch" for media in _STREAMED if lists))


def media_of_status(accept: str) -> Media:
    """
    Return the media type of an error: the first that is accepted without a form; JSON if there is none.

    >>> media_of_status("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io")
    <Media.JSON: 'application/json'>
    """
    try:
        return negotiate(accept, PLAIN_FORMS).media
    except NotAcceptable:
        return Media.JSON


def _media_of(media_range: str) -> Media | None:
    if media_range in ("*", "*/*", "application/*"):
        return Media.JSON
    try:
        return Media(media_range)
    except ValueError:
        return None


def clauses(accept: str) -> list[tuple[str, dict[str, str]]]:
    """Parse an Accept header into media ranges with their parameters, the wanted ones first."""
    clauses = []
    for clause in accept.split(","):
        media_range, *parts = (part.strip() for part in clause.split(";"))
        pairs = (part.partition("=") for part in parts)
        clauses.append((media_range, {name.strip(): value.strip().strip('"') for name, _, value in pairs}))
    return sorted(
        clauses, key=lambda clause: (-_quality(clause[1]), clause[0].startswith("*"), clause[0].endswith("*"))
    )


def _quality(parameters: dict[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 0.0
