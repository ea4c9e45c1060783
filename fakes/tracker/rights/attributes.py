"""What a request asks for, as authorizers see it: of an Action, or of the path of a request over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ctrlkit.errors import Forbidden
from ctrlkit.fakes.tracker.refusals import quoted
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.model import Action, Verb

_VERBS: Mapping[str, str] = {
    "DELETE": "delete",
    "GET": "get",
    "HEAD": "get",
    "PATCH": "patch",
    "POST": "create",
    "PUT": "update",
}
_NAMESPACE_PARTS = ("status", "finalize")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_ONE = "metadata.name="


@dataclass(frozen=True, slots=True)
class Attributes:
    """
    What is asked for: a verb on a resource, or on a path that is none.

    >>> Attributes("get", resource="pods", namespace="demo", name="a")
    Attributes(verb='get', group='', resource='pods', subresource='', namespace='demo', name='a', path=None)

    Shape   `path` is None for a request for resources. `namespace` is that of the path, also for a Namespace itself.
    """

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str | None = None


class Decision(NamedTuple):
    """Whether it is allowed, and the reason that a server gives, often "": who allowed it, or what was not found."""

    allowed: bool
    reason: str = ""


def of_action(action: Action) -> Attributes:
    """
    Return what an Action asks for.

    >>> from ctrlkit.model.kinds import NAMESPACES
    >>> of_action(Action(verb=Verb.GET, resource=NAMESPACES, name="demo")).namespace
    'demo'
    """
    resource, name = action.resource, action.name
    if action.verb is Verb.CREATE and not action.subresource:
        name = ""  # of which a request for a collection says nothing
    elif not name and action.verb in (Verb.LIST, Verb.WATCH):
        name = selected_name(action.options.field_selector)
    namespace = name if resource.identity == ("", "namespaces") else action.namespace
    return Attributes(action.verb.value, resource.group, resource.plural, action.subresource, namespace, name=name)


def selected_name(field_selector: str) -> str:
    """
    Return the only name that a field selector selects, "" if it selects others or all.

    >>> selected_name("metadata.name=a,spec.nodeName!=b"), selected_name("metadata.name!=a")
    ('a', '')
    """
    for term in field_selector.split(","):
        name = term.replace("==", "=", 1).removeprefix(_ONE)
        if name != term.replace("==", "=", 1) and not list(formats.path_segment(name)):
            return name
    return ""


def of_request(method: str, path: str, query: Mapping[str, str]) -> Attributes:
    """
    Return what a request over HTTP asks for, whether there is such a resource or not.

    >>> of_request("GET", "/apis/apps/v1/namespaces/demo/widgets/a/status", {}).subresource
    'status'
    >>> of_request("GET", "/version", {})
    Attributes(verb='get', group='', resource='', subresource='', namespace='', name='', path='/version')
    """
    parts = path.strip("/").split("/")
    match parts:
        case ["api", _, first, *more]:
            group, rest = "", [first, *more]
        case ["apis", group, _, first, *more]:
            rest = [first, *more]
        case _:
            return Attributes(method.lower(), path=path)
    verb = _VERBS.get(method, "")
    if rest[0] in ("proxy", "watch") and len(rest) > 1:
        verb, *rest = rest
    namespace = rest[1] if rest[0] == "namespaces" and len(rest) > 1 else ""
    if namespace and len(rest) > 2 and rest[2] not in _NAMESPACE_PARTS:
        rest = rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 and verb != "proxy" else ""
    if not name and verb == "get":
        verb = "list" if query.get("watch", "false").lower() in ("false", "0") else "watch"
        name = selected_name(query.get("fieldSelector", ""))
    elif not name and verb == "delete":
        verb = "deletecollection"
    return Attributes(verb, group, rest[0], subresource, namespace, name)


def refused(username: str, wanted: Attributes, reason: str = "") -> Forbidden:
    """Return the refusal of what is asked for, in the words of a real server."""
    said = f"{_sentence(username, wanted).translate(_HTML)}{f': {reason}' if reason else ''}"
    return about(wanted, said)


def about(wanted: Attributes, text: str) -> Forbidden:
    """Return a refusal that names what is asked for, and says a text."""
    details = {"name": wanted.name, "group": wanted.group, "kind": wanted.resource}
    kept = {key: value for key, value in details.items() if value}
    if not wanted.resource:
        return Forbidden(f"forbidden: {text}", details=kept)
    kind = f"{wanted.resource}.{wanted.group}" if wanted.group else wanted.resource
    name = f" {quoted(wanted.name)}" if wanted.name else ""
    return Forbidden(f"{kind}{name} is forbidden: {text}", details=kept)


def _sentence(username: str, wanted: Attributes) -> str:
    who = f"User {quoted(username)} cannot {wanted.verb}"
    if wanted.path is not None:
        return f"{who} path {quoted(wanted.path)}"
    resource = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
    place = f"in the namespace {quoted(wanted.namespace)}" if wanted.namespace else "at the cluster scope"
    return f"{who} resource {quoted(resource)} in API group {quoted(wanted.group)} {place}"
