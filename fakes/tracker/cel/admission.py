"""
Expressions of admission: those of policies, and the conditions of webhooks, compiled and evaluated with a budget.

Objects may be of any type to them; what else they know of a request has types of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ctrlkit.fakes.tracker.cel import types
from ctrlkit.fakes.tracker.cel.program import InstantiationError, Program
from ctrlkit.fakes.tracker.cel.rules import parsed_and_checked
from ctrlkit.fakes.tracker.cel.schemas import Decl, fields_of
from ctrlkit.fakes.tracker.cel.tree import CompileError
from ctrlkit.fakes.tracker.cel.types import (
    AUTHORIZER,
    BOOL,
    DYN,
    JSON_PATCH,
    NULL,
    OBJECT,
    RESOURCE_CHECK,
    STRING,
    Type,
    list_of,
    map_of,
)
from ctrlkit.fakes.tracker.cel.values import CALL_LIMIT, EvaluationError, OutOfBudget

BUDGET: Final = 10_000_000
"""What the expressions of a policy may cost together, for one binding and parameter."""

CONDITIONS_BUDGET: Final = 2_500_000
"""What match conditions may cost together."""

_NAMES = ("object", "oldObject", "namespaceObject", "request", "params", "authorizer", "authorizer.requestResource")
_PLACES: Mapping[str, Decl | None] = dict.fromkeys((*_NAMES, "variables"))
_OUT = "validation failed due to running out of cost budget, no further validation rules will be run"


def _struct(called: str, /, **fields: Type) -> tuple[Type, dict[str, Type]]:
    return Type("struct", called), fields


_TEXTS, _LABELS = list_of(STRING), map_of(STRING, STRING)
_KIND = _struct("kubernetes.GroupVersionKind", group=STRING, version=STRING, kind=STRING)
_RESOURCE = _struct("kubernetes.GroupVersionResource", group=STRING, version=STRING, resource=STRING)
_USER = _struct("kubernetes.UserInfo", username=STRING, uid=STRING, groups=_TEXTS, extra=map_of(STRING, _TEXTS))
_REQUEST = _struct(
    "kubernetes.AdmissionRequest",
    kind=_KIND[0],
    resource=_RESOURCE[0],
    subResource=STRING,
    requestKind=_KIND[0],
    requestResource=_RESOURCE[0],
    requestSubResource=STRING,
    name=STRING,
    namespace=STRING,
    operation=STRING,
    userInfo=_USER[0],
    dryRun=BOOL,
    options=DYN,
)
_METADATA = _struct(
    "kubernetes.NamespaceMetadata",
    name=STRING,
    generateName=STRING,
    namespace=STRING,
    labels=_LABELS,
    annotations=_LABELS,
    UID=STRING,
    creationTimestamp=types.TIMESTAMP,
    deletionGracePeriodSeconds=types.INT,
    deletionTimestamp=types.TIMESTAMP,
    generation=types.INT,
    resourceVersion=STRING,
    finalizers=_TEXTS,
)
_SPEC = _struct("kubernetes.NamespaceSpec", finalizers=_TEXTS)
_CONDITION = _struct(
    "kubernetes.NamespaceCondition",
    status=STRING,
    type=STRING,
    lastTransitionTime=types.TIMESTAMP,
    message=STRING,
    reason=STRING,
)
_STATUS = _struct("kubernetes.NamespaceStatus", conditions=list_of(_CONDITION[0]), phase=STRING)
_NAMESPACE = _struct("kubernetes.Namespace", metadata=_METADATA[0], spec=_SPEC[0], status=_STATUS[0])
_FIELDS = {
    kind.name: fields
    for kind, fields in (_KIND, _RESOURCE, _USER, _REQUEST, _METADATA, _SPEC, _CONDITION, _STATUS, _NAMESPACE)
}

NAMESPACE_METADATA: Final = frozenset(_METADATA[1]) - {"UID"} | {"uid"}
"""What expressions see of the metadata of the request's namespace."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """
    An expression, compiled as far as it can be.

    Shape   `problem` is the server's sentence about one that cannot be used, else ""; `is_internal` says that the
            server takes it for a fault of its own.
    """

    source: str
    program: Program | None = None
    kind: Type = DYN
    problem: str = ""
    is_internal: bool = False


class Compiler:
    """
    Compiles the expressions of one policy or webhook.

    >>> Compiler().condition("object.metadata.name == 'a'").problem
    ''
    >>> Compiler().condition("1 + 1").problem
    'must evaluate to bool but got int'

    Shape   `has_params` says that there is a variable `params`, `has_variables` that the policy may have variables of
            its own: `add` compiles one, for those that come after it.
    """

    def __init__(self, *, has_params: bool = False, has_variables: bool = False) -> None:
        self.variables: dict[str, Compiled] = {}
        self._own: dict[str, Type] = {}
        self._fields = {**_FIELDS, types.VARIABLES.name: self._own}
        self._known = {"object": DYN, "oldObject": DYN, "namespaceObject": _NAMESPACE[0], "request": _REQUEST[0]}
        if has_params:
            self._known["params"] = DYN
        if has_variables:
            self._known["variables"] = types.VARIABLES

    def add(self, name: str, source: str) -> Compiled:
        """Compile a variable."""
        found = self.variables[name] = self._compiled(source, ())
        self._own[name] = _kept(found.kind)
        return found

    def condition(self, source: str) -> Compiled:
        """Compile what has to be true or false."""
        return self._compiled(source, (BOOL,))

    def message(self, source: str) -> Compiled:
        """Compile the expression of a message, which cannot ask the authorizer."""
        return self._compiled(source, (STRING,), asks=False)

    def annotation(self, source: str) -> Compiled:
        """Compile the value of an audit annotation."""
        return self._compiled(source, (STRING, NULL))

    def configuration(self, source: str) -> Compiled:
        """Compile what makes a part of an object."""
        return self._compiled(source, (OBJECT,), makes_patches=True)

    def patch(self, source: str) -> Compiled:
        """Compile what makes the operations of a JSON patch."""
        return self._compiled(source, (list_of(JSON_PATCH),), makes_patches=True)

    def _compiled(
        self, source: str, wanted: tuple[Type, ...], *, asks: bool = True, makes_patches: bool = False
    ) -> Compiled:
        known = self._known
        if asks:
            known = {**known, "authorizer": AUTHORIZER, "authorizer.requestResource": RESOURCE_CHECK}
        try:
            checked = parsed_and_checked(source, known, self._fields, makes_patches=makes_patches)
        except CompileError as error:
            return Compiled(source, problem=f"compilation failed: {error}")
        kind = checked.type
        if wanted and kind not in wanted:
            names = " ".join(map(_shown, wanted))
            one = names if len(wanted) == 1 else f"one of [{names}]"
            return Compiled(source, problem=f"must evaluate to {one} but got {_shown(kind)}")
        try:
            return Compiled(source, Program(checked, _PLACES), kind)
        except InstantiationError as error:
            return Compiled(source, problem=f"program instantiation failed: {error}", is_internal=True)


class TypeChecker(Compiler):
    """
    Checks the expressions of a policy by the types of the objects that it matches, and of its parameters.

    Shape   `objects` and `params` are what is known of them; nothing of parameters is None.
    """

    def __init__(
        self, objects: Decl, params: Decl | None, *, has_params: bool, variables: Iterable[Mapping[str, str]]
    ) -> None:
        super().__init__(has_params=has_params, has_variables=True)
        self._known |= {"object": objects.type, "oldObject": objects.type}
        self._fields |= fields_of(objects)
        if has_params and params is not None:
            self._known["params"] = params.type
            self._fields |= fields_of(params)
        for one in variables:
            self._own[one["name"]] = _kept(self._checked(one["expression"])[0])

    def problem(self, source: str) -> str:
        """Return what does not fit in an expression, "" if all does."""
        return self._checked(source)[1]

    def _checked(self, source: str) -> tuple[Type, str]:
        try:
            return parsed_and_checked(source, {**self._known, "authorizer": AUTHORIZER}, self._fields).type, ""
        except CompileError as error:
            return DYN, str(error)


def _kept(kind: Type) -> Type:
    """What a variable's type is to the expressions that use it: types of Kubernetes' own may be anything."""
    if kind.kind in ("list", "map"):
        return Type(kind.kind, kind.name, tuple(map(_kept, kind.params)))
    return DYN if kind.kind in ("struct", "opaque", "type") else kind


_LONG_NAMES = {"timestamp": "google.protobuf.Timestamp", "duration": "google.protobuf.Duration", "null": "null_type"}


def _shown(kind: Type) -> str:
    name = _LONG_NAMES.get(kind.name, kind.name)
    return f"{name}({', '.join(map(_shown, kind.params))})" if kind.params else name


# ---- evaluation ------------------------------------------------------------------------------------------------------


class BudgetSpent(Exception):
    """The expressions of a policy cost more than they may together; the message is the server's."""


class Inputs(NamedTuple):
    """What expressions are evaluated on; whole objects, with kind and apiVersion, or None."""

    object: Any
    old_object: Any
    namespace: Any
    request: Mapping[str, Any]
    params: Any = None
    authorizer: Any = None
    resource_check: Any = None


class Result(NamedTuple):
    """The value of an expression, or why it has none."""

    value: Any = None
    problem: str = ""


class Evaluation:
    """
    Evaluates expressions on one request; they share a budget and the values of the policy's variables.

    Errors  BudgetSpent when the expressions together cost too much.
    """

    def __init__(self, compiler: Compiler, inputs: Inputs, budget: int = BUDGET) -> None:
        self.left: int = budget
        self._compiled = compiler.variables
        self._known: dict[str, Any] = {}
        self._for_variables = 0
        self._values = (*inputs, self)

    def value(self, compiled: Compiled) -> Result:
        """Evaluate an expression."""
        if compiled.program is None:
            return Result(problem=f"compilation error: {compiled.problem}")
        self._for_variables = 0
        found, cost, problem = self._run(compiled.program)
        for spent in (self._for_variables, cost):
            if spent > self.left:
                raise BudgetSpent(_OUT)
            self.left -= spent
        return Result(found, f"expression '{compiled.source}' resulted in error: {problem}" if problem else "")

    def values(self, expressions: Iterable[Compiled | None]) -> list[Result]:
        """Evaluate expressions in turn; None has the value None."""
        return [Result() if one is None else self.value(one) for one in expressions]

    def get(self, name: str) -> Any:
        """Return the value of a variable, which is evaluated once. Errors: EvaluationError."""
        if name not in self._known:
            self._known[name] = self._variable(name)
        found = self._known[name]
        if isinstance(found, EvaluationError):
            raise found
        return found

    def _variable(self, name: str) -> Any:
        compiled = self._compiled[name]
        if compiled.program is None:
            return EvaluationError(f'composited variable "{name}" fails to compile: {compiled.problem}')
        found, cost, problem = self._run(compiled.program)
        self._for_variables += cost
        if problem:
            return EvaluationError(f'composited variable "{name}" fails to evaluate: {problem}')
        return found

    def _run(self, program: Program) -> tuple[Any, int, str]:
        try:
            return program.evaluate(*self._values)
        except OutOfBudget as error:
            return None, CALL_LIMIT + 1, str(error)


def condition_problem(compiler: Compiler, conditions: Iterable[Compiled], inputs: Inputs) -> tuple[bool, str]:
    """
    Return whether match conditions hold, and what prevented some from being looked at, "" if nothing did.

    One that does not hold decides, whatever is wrong with others.
    """
    evaluation = Evaluation(compiler, inputs._replace(namespace=None), CONDITIONS_BUDGET)
    problems = []
    try:
        results = evaluation.values(conditions)
    except BudgetSpent as error:
        return True, str(error)
    for result in results:
        if result.problem:
            problems.append(result.problem)
        elif result.value is False:
            return False, ""
    problems = list(dict.fromkeys(problems))
    return True, problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]" if problems else ""
