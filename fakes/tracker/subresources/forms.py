"""Read what subresources are sent in forms of their own: the same steps and refusals as for objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ctrlkit.fakes.tracker.admission import CREATE, Attributes, admit_form
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.decode import tell_unknown
from ctrlkit.fakes.tracker.kinds.metadata import kind_problem
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.notices import body_was_read
from ctrlkit.fakes.tracker.refusals import bad_request
from ctrlkit.fakes.tracker.schema import typed
from ctrlkit.model import Action, custom_resource

Plain = dict[str, Any]


class Form(NamedTuple):
    """The form of a subresource's body; `served` stands for its kind in messages."""

    served: Strategy
    versions: tuple[str, ...]

    @staticmethod
    def of(kind: str, *versions: str) -> Form:
        """The form of a kind, in its versions, the first one where a body does not say which."""
        group, _, version = versions[0].rpartition("/")
        resource = custom_resource(group=group, version=version, kind=kind, plural=f"{kind.lower()}s")
        return Form(Strategy(resource=resource), versions)


def read_form(core: Core, form: Form, served: Strategy, action: Action) -> Plain:
    """
    Read the body of an Action on a subresource of the kind `served`, and let admission see and complete it.

    Shape   `kind` and `apiVersion` are left out.

    Errors  BadRequest for another kind, a value that does not fit, a refused unknown field, or another namespace; those
            of admission.
    """
    body, resource = action.body, form.served.resource
    if not isinstance(body, Mapping):
        raise bad_request(f"the object provided is unrecognized (must be of type {resource.kind})")
    kind, api_version = str(body.get("kind") or resource.kind), str(body.get("apiVersion") or resource.api_version)
    if kind != resource.kind or api_version not in form.versions:
        version = api_version.rpartition("/")[2]
        problem = kind_problem(resource, kind, api_version)
        raise bad_request(f'{kind} in version "{version}" cannot be handled as a {resource.kind}: {problem}')
    try:
        plain, unknown = typed.read_form(served.types, resource.kind, body)
    except typed.DoesNotFit as error:
        raise bad_request(f'{kind} in version "{resource.version}" cannot be handled as a {kind}: {error}') from None
    body_was_read()
    if unknown:
        tell_unknown(form.served, action, unknown, body)
    namespace = plain["metadata"].get("namespace")
    if namespace and namespace != action.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    read = {name: value for name, value in plain.items() if name not in ("kind", "apiVersion")}
    if action.namespace:
        read["metadata"]["namespace"] = action.namespace
    named = (resource.group, resource.version, resource.kind)
    attributes = Attributes(served=served, action=action, operation=CREATE, name=action.name, form=named)
    completed: Plain = admit_form(core, attributes, read)
    return completed
