"""
Who may write roles and bindings: nobody grants what they may not do themselves.

Whoever has the verb `escalate` on a role may write any rules into it, and whoever has `bind` on a role may bind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ctrlkit.errors import NotFound
from ctrlkit.fakes.tracker.callers import caller
from ctrlkit.fakes.tracker.refusals import forbidden, not_found, plain_failure, quoted
from ctrlkit.fakes.tracker.rights.attributes import Attributes
from ctrlkit.fakes.tracker.rights.authorizer import Rights
from ctrlkit.fakes.tracker.rights.policy import MASTERS, problems_text, referred_rules, rules_for
from ctrlkit.fakes.tracker.rights.rules import EVERYTHING, Rule, missing, quoted_list, rules_of
from ctrlkit.model import Action, Verb

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.core import Core
    from ctrlkit.fakes.tracker.kinds.strategy import Strategy

Plain = dict[str, Any]
Object = Mapping[str, Any]
_FOR_COLLECTOR = ("ownerReferences", "finalizers", "managedFields")
_AS_READ = ("uid", "resourceVersion", "creationTimestamp")


def guard_role(core: Core, served: Strategy, role: Plain, action: Action) -> Plain:
    """Return a role as it is. Errors: Forbidden if the caller grants more than it may do."""
    rights, old = _asked(core, served, role, action)
    if rights is None:
        return role
    place = action.namespace
    name = "" if action.verb is Verb.CREATE else action.name
    wanted = Attributes("escalate", served.resource.group, served.resource.plural, "", place, name)
    if rights.decide(caller(), wanted).allowed:
        return role
    _check(rights, served, action, rules_of(role))
    if _aggregates(role) or _aggregates(old):
        text = "must have cluster-admin privileges to use the aggregationRule"
        if _text(rights, served, action, EVERYTHING):
            raise forbidden(served.resource, _name(action), text)
    return role


def guard_binding(core: Core, served: Strategy, binding: Plain, action: Action) -> Plain:
    """
    Return a binding as it is.

    Errors  Forbidden if the caller grants more than it may do; NotFound if the role is not there.
    """
    rights, _ = _asked(core, served, binding, action)
    if rights is None:
        return binding
    reference, place = binding["roleRef"], action.namespace
    kind = reference["kind"]
    if kind not in ("Role", "ClusterRole"):
        raise plain_failure(f"unsupported role reference kind: {quoted(kind)}")
    wanted = Attributes("bind", reference["apiGroup"], f"{kind.lower()}s", "", place, reference["name"])
    if not rights.decide(caller(), wanted).allowed:
        try:
            rules = referred_rules(rights, reference, place)
        except NotFound:
            raise not_found(
                served.resource, reference["name"]
            ) from None  # which names the binding's kind, as servers do
        _check(rights, served, action, rules)
    return binding


def _asked(core: Core, served: Strategy, plain: Plain, action: Action) -> tuple[Rights | None, Object]:
    """The rights to ask, None if the caller may write whatever it likes; and the object as it is stored."""
    stored = core.find(served, action.key) if action.verb is not Verb.CREATE else None
    old = stored.plain if stored else {}
    if MASTERS in (caller().get("groups") or ()) or (old and _is_for_collector(plain, old, action)):
        return None, old
    return core.rights, old


def _is_for_collector(plain: Object, old: Object, action: Action) -> bool:
    """Whether a write changes only what leads to an object's garbage collection."""
    if action.verb is Verb.UPDATE:
        meta, before = action.body.get("metadata") or {}, old["metadata"]
        if any(meta.get(name) != before.get(name) for name in _AS_READ):
            return False
    return _compared(plain) == _compared(old)


def _compared(plain: Object) -> Plain:
    meta = {name: value for name, value in plain["metadata"].items() if name not in _FOR_COLLECTOR}
    return {**plain, "metadata": meta}


def _aggregates(role: Object) -> bool:
    return bool((role.get("aggregationRule") or {}).get("clusterRoleSelectors"))


def _check(rights: Rights, served: Strategy, action: Action, rules: Iterable[Rule]) -> None:
    text = _text(rights, served, action, rules)
    if text:
        raise forbidden(served.resource, _name(action), text)


def _name(action: Action) -> str:
    """The name of what is written, "" if it is to be generated."""
    if action.verb is not Verb.CREATE:
        return action.name
    return str((action.body.get("metadata") or {}).get("name") or "")


def _text(rights: Rights, served: Strategy, action: Action, rules: Iterable[Rule]) -> str:
    """What the server says of rules that the caller does not have all of, "" if it has them."""
    user = caller()
    granted = rights.granted(user, action.namespace)
    left = missing(rules_for(granted.grants), rules)
    if not left:
        return ""
    lines = "\n".join(sorted({str(rule) for rule in left}))
    texts = problems_text(granted.problems, said_of=str(served.resource))
    problems = f"; resolution errors: [{texts}]" if texts else ""
    who = f"user {quoted(user.get('username', ''))} (groups={quoted_list(user.get('groups') or ())})"
    return f"{who} is attempting to grant RBAC permissions not currently held:\n{lines}{problems}"
