"""
Webhooks as decorated functions.

    @mutating(CACHES)
    def defaults(cache: Cache, review: Review[Cache]) -> MergePatch | None:
        return None if cache.spec.memory else MergePatch({"spec": {"memory": "64Mi"}})

    @validating(CACHES, operations=["CREATE", "UPDATE", "DELETE"])
    def check(cache: Cache, review: Review[Cache]) -> None:
        if cache.spec.size < 1:
            raise Denied(f"spec.size: {cache.spec.size} is too small; write 1 or more")

    @conversion(CACHES_V1, to=CACHES_V2)
    def upgrade(cache: CacheV1) -> CacheV2:
        return CacheV2(metadata=cache.metadata, spec=SpecV2(replicas=cache.spec.size))

They stand where functions decorated with @reconciler stand. A function may be a coroutine function.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, Protocol, TypedDict, TypeVar, Unpack, cast, overload

from ctrlkit.model import AnyResource, JsonPatch, MergePatch, Resource
from ctrlkit.webhooks.review import Operation, Review

T = TypeVar("T")
U = TypeVar("U")
A = TypeVar("A")
B = TypeVar("B")

FailurePolicy = Literal["Fail", "Ignore"]
OwnSubresource = Literal["", "status", "resize", "ephemeralcontainers"]
"""Subresources that are the object itself, or some of its fields."""

TIMEOUT_S: Final = 5
"""How long a server waits for an admission webhook that does not say otherwise, in seconds."""
_TIMEOUT_MAX_S: Final = 30
_OPERATIONS: Final = ("CREATE", "UPDATE", "DELETE", "CONNECT")
_OWN: Final = ("", "status", "resize", "ephemeralcontainers")
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

MutatingFunction = Callable[
    [T, Review[T]], MergePatch | JsonPatch | T | Awaitable[MergePatch | JsonPatch | T | None] | None
]
ValidatingFunction = Callable[[T, Review[T]], Awaitable[None] | None]


class Program(Protocol):
    """What webhooks are added to: a Manager."""

    def add_webhook(self, webhook: Webhook) -> None:
        """Add a webhook."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a declaration says beside the kind and the function; see `mutating`."""

    name: str = ""
    operations: Sequence[Operation] = ("CREATE", "UPDATE")
    reads: Sequence[AnyResource] = ()
    failure_policy: FailurePolicy = "Fail"
    timeout_s: int = TIMEOUT_S
    side_effects: bool = False
    namespace_selector: Mapping[str, Any] | None = None
    object_selector: Mapping[str, Any] | None = None
    match_conditions: Mapping[str, str] | None = None
    covers_own_namespace: bool = False


class GivenTerms(TypedDict, total=False):
    """The terms that a declaration may say; see `mutating`."""

    name: str
    operations: Sequence[Operation]
    reads: Sequence[AnyResource]
    failure_policy: FailurePolicy
    timeout_s: int
    side_effects: bool
    namespace_selector: Mapping[str, Any] | None
    object_selector: Mapping[str, Any] | None
    match_conditions: Mapping[str, str] | None
    covers_own_namespace: bool


class AdmissionWebhook(Generic[T]):
    """
    A function decorated with @mutating or @validating; called with a manager it adds itself to it.

    Shape   `function` is the plain function, for tests of its own. `name` is short, `full_name` the webhook's name in a
            configuration. `resource` is the kind that is asked about, `sent` what the function is given.
    """

    __name__: str

    def __init__(
        self,
        verb: Literal["mutating", "validating"],
        function: Callable[[T, Review[T]], Any],
        resource: AnyResource,
        *,
        subresource: str,
        body: type[T] | None,
        terms: Terms,
    ) -> None:
        _check_function(verb, function, "object", "review")
        functools.update_wrapper(self, function)
        self.__name__ = _name_of(function)
        self.verb: Literal["mutating", "validating"] = verb
        self.function = function
        self.resource = resource
        self.subresource = subresource
        self.sent: Resource[T] = _sent(verb, resource, subresource, body)
        self.name: str = terms.name or self.__name__.strip("_").replace("_", "-").lower()
        self.operations: tuple[Operation, ...] = tuple(terms.operations)
        self.reads: tuple[AnyResource, ...] = tuple(terms.reads)
        self.terms = terms
        self._check()

    @property
    def full_name(self) -> str:
        """The name in a configuration, which has dots: `check.caches.example.com`."""
        if self.name.count(".") > 1:
            return self.name
        parts = (self.name, self.subresource, self.resource.plural, self.resource.group or "core")
        return ".".join(part for part in parts if part)

    @property
    def kind_path(self) -> str:
        """The path of a kind as controller-runtime has it; it leads here if no other function is there for the kind."""
        prefix = "mutate" if self.verb == "mutating" else "validate"
        kind = "-".join((self.resource.group.replace(".", "-"), self.resource.version, self.resource.kind.lower()))
        return f"/{prefix}-{kind}" + (f"-{self.subresource}" if self.subresource else "")

    @property
    def path(self) -> str:
        """The path of this webhook, which others of the same kind do not change."""
        return f"{self.kind_path}/{self.name}"

    def __call__(self, program: Program) -> tuple[()]:
        """Add this to a manager; it makes no controllers."""
        program.add_webhook(self)
        return ()

    def __repr__(self) -> str:
        return f"<{self.verb} webhook {self.name} of {self.resource}>"

    def _check(self) -> None:
        at = f"@{self.verb}({self.resource.kind})"
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{at}: name {self.name!r}: write lower-case letters, digits, dashes and dots")
        wrong = [each for each in self.operations if each not in _OPERATIONS]
        if wrong or not self.operations or isinstance(self.terms.operations, str):
            raise ValueError(f"{at}: operations {self.terms.operations!r}: write a list of {', '.join(_OPERATIONS)}")
        if self.terms.failure_policy not in ("Fail", "Ignore"):
            raise ValueError(f"{at}: failure_policy {self.terms.failure_policy!r}: write 'Fail' or 'Ignore'")
        seconds: object = self.terms.timeout_s
        if not isinstance(seconds, int) or not 1 <= seconds <= _TIMEOUT_MAX_S:
            raise ValueError(f"{at}: timeout_s {seconds!r}: write whole seconds from 1 to {_TIMEOUT_MAX_S}")


class ConversionFunction(Generic[A, B]):
    """
    A function decorated with @conversion; called with a manager it adds itself to it.

    Shape   `function` is the plain function, for tests of its own.
    """

    __name__: str

    def __init__(self, function: Callable[[A], B | Awaitable[B]], source: Resource[A], target: Resource[B]) -> None:
        _check_function("conversion", function, "object")
        if (source.identity, source.kind) != (target.identity, target.kind):
            raise ValueError(f"@conversion({source}, to={target}): these are two kinds; name two versions of one")
        if source.version == target.version:
            raise ValueError(f"@conversion({source}): both are {source.version}; name two versions")
        functools.update_wrapper(self, function)
        self.__name__ = _name_of(function)
        self.function = function
        self.source = source
        self.target = target
        self.name: str = self.__name__

    def __call__(self, program: Program) -> tuple[()]:
        """Add this to a manager; it makes no controllers."""
        program.add_webhook(self)
        return ()

    def __repr__(self) -> str:
        return f"<conversion {self.name} of {self.source} from {self.source.version} to {self.target.version}>"


Webhook = AdmissionWebhook[Any] | ConversionFunction[Any, Any]
"""A declared function of either sort."""


@overload
def mutating(
    resource: Resource[T], *, subresource: OwnSubresource = "", **terms: Unpack[GivenTerms]
) -> Callable[[MutatingFunction[T]], AdmissionWebhook[T]]: ...


@overload
def mutating(
    resource: AnyResource, *, subresource: str, body: type[U], **terms: Unpack[GivenTerms]
) -> Callable[[MutatingFunction[U]], AdmissionWebhook[U]]: ...


def mutating(
    resource: AnyResource, *, subresource: str = "", body: type[Any] | None = None, **terms: Any
) -> Callable[[Callable[[Any, Review[Any]], Any]], AdmissionWebhook[Any]]:
    """
    Turn a function that takes an object of a kind, and a Review, into a mutating webhook.

    >>> from ctrlkit.model.kinds import CONFIG_MAPS
    >>> @mutating(CONFIG_MAPS, operations=["CREATE"])
    ... def label(config_map, review):
    ...     return MergePatch({"metadata": {"labels": {"made-by": review.user.name}}})
    >>> label, label.full_name
    (<mutating webhook label of configmaps>, 'label.configmaps.core')

    Returns The function returns what is to change, as a MergePatch or a JsonPatch, or the whole object as it is to be.
            None leaves it as the function left it: an object that can be changed may be changed in place. Fields that
            its type does not have stay as they are.
    Shape   `operations` are CREATE and UPDATE unless said; the object of a DELETE is the old one, which cannot be
            changed. `subresource` is "status", or with the `body` that is sent there one such as "scale", "eviction" or
            "exec". `name` is the function's, unless given. `reads` are kinds whose caches `review.lister` reads.
            `failure_policy` says what becomes of a request if the webhook fails: "Fail" refuses it, "Ignore" lets it
            pass. `timeout_s`, from 1 to 30, is how long the server waits. `side_effects` is for a function that changes
            something elsewhere; it must not where `review.dry_run` says so.
            `namespace_selector` and `object_selector` are label selectors as a configuration has them,
            `match_conditions` CEL expressions by name. Of built-in kinds, those in the program's own namespace, in
            kube-system and in kube-node-lease are left out, so that no webhook keeps its own program from starting,
            unless `covers_own_namespace`.
    Errors  TypeError for a function that cannot be called with an object and a review, and for @mutating without a
            kind; ValueError for anything else that cannot be.
    """
    return _declared("mutating", resource, subresource, body, terms)


@overload
def validating(
    resource: Resource[T], *, subresource: OwnSubresource = "", **terms: Unpack[GivenTerms]
) -> Callable[[ValidatingFunction[T]], AdmissionWebhook[T]]: ...


@overload
def validating(
    resource: AnyResource, *, subresource: str, body: type[U], **terms: Unpack[GivenTerms]
) -> Callable[[ValidatingFunction[U]], AdmissionWebhook[U]]: ...


def validating(
    resource: AnyResource, *, subresource: str = "", body: type[Any] | None = None, **terms: Any
) -> Callable[[Callable[[Any, Review[Any]], Any]], AdmissionWebhook[Any]]:
    """
    Turn a function that takes an object of a kind, and a Review, into a validating webhook.

    The function raises Denied to refuse the request, or an ApiError; `review.warn` says something to who asks. All else
    is as for `mutating`.

    >>> from ctrlkit.model.kinds import PODS
    >>> @validating(PODS, operations=["DELETE"], failure_policy="Ignore")
    ... async def keep(pod, review):
    ...     ...
    >>> keep.kind_path
    '/validate--v1-pod'
    """
    return _declared("validating", resource, subresource, body, terms)


def conversion(
    source: Resource[A], *, to: Resource[B]
) -> Callable[[Callable[[A], B | Awaitable[B]]], ConversionFunction[A, B]]:
    """
    Turn a function that takes an object at one version of a kind, and returns it at another, into a part of a
    conversion webhook.

    Versions without a function of their own are reached through others: with v1 to v2, v2 to v1, v2 to v3 and v3 to v2
    an object is brought from v1 to v3 by way of v2. Metadata is kept whatever the function returns, but for labels and
    annotations that it changes. A function that cannot convert an object raises Denied; whoever asks sees the message.
    Errors  TypeError for a function that cannot be called with an object, or a version that is none; ValueError for
            versions of two kinds.
    """
    for given in (source, to):
        _check_kind("conversion", given)
    return lambda function: ConversionFunction(function, source, to)


def _declared(
    verb: Literal["mutating", "validating"],
    resource: AnyResource,
    subresource: str,
    body: type[Any] | None,
    terms: Mapping[str, Any],
) -> Callable[[Callable[[Any, Review[Any]], Any]], AdmissionWebhook[Any]]:
    _check_kind(verb, resource)
    said = Terms(**terms)
    return lambda function: AdmissionWebhook(verb, function, resource, subresource=subresource, body=body, terms=said)


def _sent(verb: str, resource: AnyResource, subresource: str, body: type[T] | None) -> Resource[T]:
    """Return what is sent to a kind's subresource, as the kind with another type."""
    if subresource in _OWN and body is None:
        return cast(Resource[T], resource)
    if body is None:
        raise TypeError(
            f"@{verb}({resource.kind}, subresource={subresource!r}): what is sent there is no {resource.kind}; say "
            "body=Type, such as body=Unstructured"
        )
    return resource.of(body)


def _check_kind(decorator: str, given: object) -> None:
    if not isinstance(given, Resource):
        name = getattr(given, "__name__", repr(given))
        raise TypeError(f"@{decorator} takes a kind first, and got {name}; write @{decorator}(KIND) above {name}")


def _name_of(function: Callable[..., object]) -> str:
    """Return the name of a function; of a functools.partial that of the function inside."""
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def _check_function(decorator: str, function: Callable[..., object], *arguments: str) -> None:
    name = getattr(function, "__qualname__", repr(function))
    signature = inspect.signature(function)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"@{decorator}: {name} has a yield, so that calling it does nothing; return instead")
    try:
        signature.bind(*arguments)
    except TypeError:
        raise TypeError(
            f"@{decorator}: {name}{signature} cannot be called with {len(arguments)} argument(s); write "
            f"`def {name}({', '.join(arguments)})`"
        ) from None
