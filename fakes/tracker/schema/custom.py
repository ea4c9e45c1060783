"""
Schemas of custom resources: unknown fields are pruned, defaults filled in, and the rest is validated.

`structural.py` says what an object is made into, `value_rules.py` what its values must be. Rules that are expressions
(`x-kubernetes-validations`) are those of the package `cel`, which is imported only for a schema that has any. What a
server knows of the metadata of embedded resources is not here, but with the kinds.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema.correlation import Correlated
from ctrlkit.fakes.tracker.schema.nodes import Node as MergeNode
from ctrlkit.fakes.tracker.schema.nodes import custom
from ctrlkit.fakes.tracker.schema.structural import META, Structural, list_causes
from ctrlkit.fakes.tracker.schema.value_rules import ValueRules, checked

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.cel.validator import Validator

_BLOCKING = frozenset(
    {
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    }
)
"""The reasons after which expressions are not looked at, since they may rely on what is wrong."""

_NOT_CHECKED = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation"
)

_REMEMBERED = 256
_REMEMBERED_BYTES_MAX = 16 * 1024
"""How many values of fields are remembered as they are completed, and up to which size."""

_SHARED = 64
"""How many schemas the servers of a process share."""

Node = Mapping[str, Any]
Object = Mapping[str, Any]


class CustomSchema:
    """
    The openAPIV3Schema of one version of a custom resource.

    >>> nodes = {"type": "integer", "minimum": 0, "default": 3}
    >>> spec = {"type": "object", "properties": {"nodes": nodes}}
    >>> schema = CustomSchema({"type": "object", "properties": {"spec": spec}})
    >>> schema.complete({"metadata": {}, "spec": {"bogus": 1}})
    ({'metadata': {}, 'spec': {'nodes': 3}}, ['spec.bogus'])
    >>> [cause.message for cause in schema.value_causes({"spec": {"nodes": -1}})]
    ['Invalid value: -1: spec.nodes in body should be greater than or equal to 0']
    """

    def __init__(self, openapi: Node) -> None:
        self.openapi: Node = openapi
        """The schema as it was written; not to be changed."""
        self.structural: Structural = Structural(openapi)
        self.structural.embedded = True  # an object has kind, apiVersion and metadata, whatever its schema says
        self._rules = ValueRules(openapi)
        self._completed: dict[tuple[str, bytes], tuple[bytes, list[str]]] = {}

    @staticmethod
    def shared(openapi: Node) -> CustomSchema:
        """
        Return a schema, one for all servers of a process.

        Each test has a server of its own, and to compile a schema takes longer than to keep to it.
        """
        return _read(msgspec.json.encode(openapi))

    @functools.cached_property
    def node(self) -> MergeNode:
        """How the fields of an object merge under server-side apply."""
        return custom(self.openapi)

    def complete(self, plain: Object) -> tuple[dict[str, Any], list[str]]:
        """Prune an object and fill in its defaults; return it, and the sorted paths of pruned fields."""
        unknown: list[str] = []
        fields = self.structural.properties
        known = {
            name: self._complete_field(name, value, unknown)
            for name, value in plain.items()
            if type(value) is dict and name in fields and name not in META
        }
        rest = {name: value for name, value in plain.items() if name not in known}
        completed: dict[str, Any] = self.structural.complete(rest, "", unknown) | known
        in_order = {name: completed[name] for name in plain if name in completed}
        return in_order | completed, sorted(unknown)

    def _complete_field(self, name: str, value: dict[str, Any], unknown: list[str]) -> Any:
        """Complete a field of the object; what became of a value is remembered: it is asked for at each step."""
        try:
            key = (name, msgspec.json.encode(value))
        except (TypeError, ValueError, OverflowError):  # no value that comes from JSON; it is not remembered
            key = None
        found = self._completed.get(key) if key is not None else None
        if found is not None:
            unknown += found[1]
            return msgspec.json.decode(found[0])
        node, pruned = self.structural.child(name), list[str]()
        completed = node.complete(value, name, pruned) if node is not None else value
        if key is not None and len(key[1]) <= _REMEMBERED_BYTES_MAX:
            if len(self._completed) >= _REMEMBERED:
                self._completed.clear()
            self._completed[key] = (msgspec.json.encode(completed), pruned)
        unknown += pruned
        return completed

    def pruned(self, plain: Object) -> dict[str, Any]:
        """Prune an object only."""
        pruned: dict[str, Any] = self.structural.pruned(dict(plain), "", [])
        return pruned

    def value_causes(self, plain: Object, old: Object | None = None) -> list[Cause]:
        """Return a cause for each rule about values that an object breaks, but for values that `old` has too."""
        return self._rules.ratcheted(plain, "", self._correlated(plain, old)).named()

    def status_causes(self, plain: Object, old: Object) -> list[Cause]:
        """The same for the status alone, which a write of the status changed."""
        rules = self._rules.child("status") if "status" in (self.openapi.get("properties") or ()) else None
        if rules is None or "status" not in plain:
            return []
        whole = self._correlated(plain, old)
        below = whole.key("status") if whole is not None else None
        return rules.ratcheted(plain["status"], "", below).named("status")

    def list_causes(self, plain: Object, old: Object | None = None) -> list[Cause]:
        """Return a cause for each item that is there twice in a set or a list with keys, unless `old` has such too."""
        if not self.structural.has_list_types:
            return []
        found = list(list_causes(plain, self.structural))
        return [] if found and old is not None and any(list_causes(old, self.structural)) else found

    def expression_causes(
        self, plain: Object, old: Object | None, before: list[Cause], warn: Callable[[str], None]
    ) -> list[Cause]:
        """
        Return a cause for each expression that does not hold.

        Shape   `before` are the causes found so far: some keep expressions from being looked at. `warn` is told of
                those that do not hold of unchanged values.
        """
        if self._expressions is None:
            return []
        if any(cause.reason in _BLOCKING for cause in before):
            return [Cause.invalid("<nil>", "null", _NOT_CHECKED)]
        return self._expressions.causes(plain, old, warn)

    def check(self) -> None:
        """Compile the schema. Errors: ValueError if it is not one."""
        checked([self.openapi])
        _ = self.node

    def _correlated(self, plain: Object, old: Object | None) -> Correlated | None:
        return Correlated(plain, old, self.openapi) if old is not None else None

    @functools.cached_property
    def _expressions(self) -> Validator | None:
        """The schema's rules that are expressions, None if it has none."""
        if not has_expressions(self.openapi):
            return None
        from ctrlkit.fakes.tracker.cel.validator import Validator  # noqa: PLC0415  # only schemas with rules need it

        return Validator(self.openapi)


@functools.lru_cache(maxsize=_SHARED)
def _read(text: bytes) -> CustomSchema:
    return CustomSchema(msgspec.json.decode(text))


def has_expressions(node: Node) -> bool:
    """Whether a schema has rules that are expressions."""
    left: list[object] = [node]  # CPython 3.12 lets calls from C, such as `any` of a generator, be some hundreds deep
    while left:
        inner = left.pop()
        if not isinstance(inner, Mapping):
            continue
        if inner.get("x-kubernetes-validations"):
            return True
        left += (*(inner.get("properties") or {}).values(), inner.get("items"), inner.get("additionalProperties"))
    return False
