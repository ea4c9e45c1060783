"""What an admission webhook is told of a request beside the object, and what it can say beside yes or no."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, TypeVar

from structlog.typing import FilteringBoundLogger

from ctrlkit.cache import Lister
from ctrlkit.model import AnyResource, ObjectKey, Resource
from ctrlkit.telemetry import logger

T = TypeVar("T")
U = TypeVar("U")

_NO_KEY: Final = ObjectKey("", "")

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]
"""What a request does to an object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who makes a request, as the server knows them."""

    name: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Review(Generic[T]):
    """
    A request that an admission webhook is asked about.

        review = Review(resource=CACHES, operation="UPDATE", old_object=before)      # in a test of the function alone
        check.function(after, review)

    Shape   `key` is the object's, its name empty where the server is to generate it. `options` are those of the request
            (CreateOptions, ...), `request` is all that the server said. `subresource` is empty for the object itself.
            `warnings` and `annotations` are what `warn` and `audit` were told.
    """

    resource: AnyResource
    operation: Operation = "CREATE"
    key: ObjectKey = _NO_KEY
    user: User = field(default_factory=User)
    dry_run: bool = False
    """Whether nothing will be stored: what changes something elsewhere must be left undone."""
    options: Mapping[str, Any] = field(default_factory=dict)
    subresource: str = ""
    request: Mapping[str, Any] = field(default_factory=dict, repr=False)
    old_object: T | None = field(default=None, repr=False)
    read_old: Callable[[], T | None] | None = field(default=None, repr=False)
    """Reads the object before the request when somebody looks at `old`."""
    listers: Mapping[AnyResource, Lister[Any]] = field(default_factory=dict, repr=False)
    log: FilteringBoundLogger = field(default_factory=lambda: logger("webhooks"), repr=False)
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def old(self) -> T | None:
        """
        The object as it is stored before an update or a delete; None when it is created.

        Errors  DecodeError where it does not fit the type; the request is then refused, and told which field it is.
        """
        if self.read_old is not None:
            self.old_object, self.read_old = self.read_old(), None
        return self.old_object

    def lister(self, resource: Resource[U]) -> Lister[U]:
        """The lister of a kind that the decorator names in `reads`; LookupError for any other."""
        found = self.listers.get(resource)
        if found is None:
            raise LookupError(f"look up {resource} in a webhook of {self.resource}: name it in reads=[...] above it")
        return found

    def warn(self, text: str) -> None:
        """Say something to who asks, whether the request is allowed or not; kubectl prints `Warning: text`."""
        self.warnings.append(text)

    def audit(self, key: str, value: str) -> None:
        """Say something to the server's audit log; the server puts the name of the webhook before the key."""
        self.annotations[key] = value
