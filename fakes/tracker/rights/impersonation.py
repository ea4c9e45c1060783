"""
Who may act as somebody else, and who that is then.

A request names in its headers the user that it is to be served for. The one who sends it needs the verb `impersonate`
on that user, on each group, on the uid and on each extra value. Since Kubernetes 1.36 it may be allowed more narrowly
too: by a verb such as `impersonate:user-info` on them together with `impersonate-on:user-info:list` on what is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from ctrlkit.errors import ApiError
from ctrlkit.fakes.tracker.callers import User
from ctrlkit.fakes.tracker.refusals import bad_request, quoted
from ctrlkit.fakes.tracker.rights.attributes import Attributes, refused
from ctrlkit.fakes.tracker.rights.policy import MASTERS
from ctrlkit.fakes.tracker.schema import formats

_AUTHENTICATION = "authentication.k8s.io"
_USER, _GROUP, _UID, _EXTRA = "impersonate-user", "impersonate-group", "impersonate-uid", "impersonate-extra-"
_NODE = "system:node:"
_NODE_NAME = "authentication.kubernetes.io/node-name"
_ANONYMOUS, _AUTHENTICATED, _UNAUTHENTICATED = "system:anonymous", "system:authenticated", "system:unauthenticated"
_LEGACY = ""
_MODES_KEPT = 10_000
_MANY = 4
"""Values from which on it is first asked for all of them at once."""

Ask = Callable[[User, Attributes], ApiError | None]
"""Returns the refusal of what a user may not do, None if it is allowed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom a request wants to act as."""

    username: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        """The same, as a server prints it."""
        groups = ", ".join(map(quoted, self.groups))
        extra = ", ".join(
            f"{quoted(key)}:[]string{{{', '.join(map(quoted, self.extra[key]))}}}" for key in sorted(self.extra)
        )
        return (
            f"&user.DefaultInfo{{Name:{quoted(self.username)}, UID:{quoted(self.uid)}, "
            f"Groups:[]string{f'{{{groups}}}' if self.groups else '(nil)'}, "
            f"Extra:map[string][]string{f'{{{extra}}}' if self.extra else '(nil)'}}}"
        )

    @property
    def is_name_only(self) -> bool:
        """Whether nothing but a name is wanted."""
        return not (self.uid or self.groups or self.extra)

    def references(self) -> str:
        """The groups, extra values and uid, as a server before Kubernetes 1.36 prints them."""
        version = f"{_AUTHENTICATION}/v1"
        extra = [f"{{UserExtra  {value}  {version}  {key}}}" for key, values in self.extra.items() for value in values]
        groups = [f"{{Group  {group}    }}" for group in self.groups]
        return f"[{' '.join([*groups, *extra, *([f'{{UID  {self.uid}  {version}  }}'] if self.uid else [])])}]"


def wanted_user(headers: Iterable[tuple[str, str]], *, is_constrained: bool = True) -> Wanted | None:
    """
    Return whom the headers of a request want to act as, None if they want nobody.

    >>> wanted_user([("Impersonate-User", "nina"), ("Impersonate-Extra-Team", "x")])
    Wanted(username='nina', uid='', groups=(), extra={'team': ('x',)})

    Errors  BadRequest where they name no user, but other things of one.
    """
    first: dict[str, str] = {}
    groups: list[str] = []
    extra: dict[str, tuple[str, ...]] = {}
    for name, value in headers:
        match name.lower():
            case "impersonate-user" | "impersonate-uid" as header:
                first.setdefault(header, value)
            case "impersonate-group":
                groups.append(value)
            case header if header.startswith(_EXTRA):
                key = unquote(header.removeprefix(_EXTRA))
                extra[key] = (*extra.get(key, ()), value)
    wanted = Wanted(first.get(_USER, ""), first.get(_UID, ""), tuple(groups), extra)
    if wanted.username:
        return wanted
    if not wanted.is_name_only and is_constrained:
        raise bad_request(f"requested {wanted} without impersonating a user name")
    if not wanted.is_name_only:
        raise bad_request(f"requested {wanted.references()} without impersonating a user")
    return None


@dataclass(slots=True)
class Modes:
    """
    The ways in which users were last allowed to act as somebody else: a server tries these first, and tells of them.

    `is_constrained` says whether there are the narrow ways too.
    """

    is_constrained: bool = True
    _last: dict[str, str] = field(default_factory=dict)

    def of(self, caller: User, wanted: Wanted) -> list[str]:
        """Return the ways to try, in order."""
        last = self._last.get(caller.get("username", ""))
        modes = [*_modes(caller, wanted)] if self.is_constrained else [_LEGACY]
        return [last, *(mode for mode in modes if mode != last)] if last in modes else modes

    def note(self, caller: User, mode: str) -> None:
        """Remember the way in which a user was allowed to act as somebody else."""
        username = caller.get("username", "")
        self._last.pop(username, None)
        self._last[username] = mode
        if len(self._last) > _MODES_KEPT:
            del self._last[next(iter(self._last))]


def impersonated(ask: Ask, caller: User, wanted: Wanted, request: Attributes, modes: Modes) -> User:
    """
    Return the user that a caller acts as for a request.

    Errors  Forbidden, that of the first way to be allowed.
    """
    refusals = []
    for mode in modes.of(caller, wanted):
        on = replace(request, verb=f"impersonate-on:{mode}:{request.verb}") if mode else None
        error = (on and ask(_asking(caller, mode), on)) or _refusal(ask, caller, wanted, mode)
        if error is None:
            modes.note(caller, mode)
            return _user(wanted, mode)
        refusals.append(error)
    raise refusals[0]


def _modes(caller: User, wanted: Wanted) -> Iterator[str]:
    """Yield the ways in which it may be allowed; the last is that of all releases."""
    node, account = _node_of(wanted.username), account_of(wanted.username)
    if wanted.is_name_only and node:
        at = (caller.get("extra") or {}).get(_NODE_NAME)
        if account_of(caller.get("username", "")) and list(at or ()) == [node]:
            yield "associated-node"
        yield "arbitrary-node"
    if wanted.is_name_only and account:
        yield "serviceaccount"
    if not (node or account):
        yield "user-info"
    yield _LEGACY


def _asking(caller: User, mode: str) -> User:
    return caller if mode != "associated-node" else {**caller, "extra": {}}


def _refusal(ask: Ask, caller: User, wanted: Wanted, mode: str) -> ApiError | None:
    """The refusal of acting as a user in one way, None if it is allowed."""
    verb = f"impersonate:{mode}" if mode else "impersonate"
    asking = _asking(caller, mode)
    group = _AUTHENTICATION if mode else ""
    username = caller.get("username", "")
    for one in _named(wanted, verb, group, mode):
        if (error := ask(asking, one)) is not None:
            return error
    many = Attributes(verb, group, "groups")
    if mode and wanted.groups:
        if "" in wanted.groups:
            return refused(username, many, "impersonating the empty string group is not allowed")
        if MASTERS in wanted.groups:
            text = "impersonating the system:masters group is not allowed"
            return refused(username, replace(many, name=MASTERS), text)
    is_asked_at_once = mode and len(wanted.groups) >= _MANY and ask(asking, replace(many, name="*")) is None
    for name in () if is_asked_at_once else wanted.groups:
        if (error := ask(asking, replace(many, name=name))) is not None:
            return error
    return _extra_refusal(ask, asking, wanted, verb, mode)


def _named(wanted: Wanted, verb: str, group: str, mode: str) -> Iterator[Attributes]:
    """Yield what is asked for a user's name and uid."""
    account, node = account_of(wanted.username), _node_of(wanted.username)
    if account:
        yield Attributes(verb, group, "serviceaccounts", "", *account)
    elif mode and node:
        yield Attributes(verb, group, "nodes", name="*" if mode == "associated-node" else node)
    else:
        yield Attributes(verb, group, "users", name=wanted.username)
    if wanted.uid:
        yield Attributes(verb, _AUTHENTICATION, "uids", name=wanted.uid)


def _extra_refusal(ask: Ask, caller: User, wanted: Wanted, verb: str, mode: str) -> ApiError | None:
    extra = Attributes(verb, _AUTHENTICATION, "userextras")
    if mode and (problem := next(_extra_problems(wanted.extra), "")):
        return refused(caller.get("username", ""), extra, problem)
    pairs = [(key, value) for key, values in wanted.extra.items() for value in values]
    is_large = len(pairs) >= _MANY or len(wanted.extra) >= _MANY
    if mode and is_large and ask(caller, replace(extra, subresource="*", name="*")) is None:
        return None
    refusals = (ask(caller, replace(extra, subresource=key, name=value)) for key, value in pairs)
    return next(filter(None, refusals), None)


def _extra_problems(extra: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for key, values in extra.items():
        if not key:
            yield "impersonating the empty string key in extra is not allowed"
        elif problem := _key_problem(key):
            yield f"impersonating an invalid key in extra is not allowed: {problem}"
        elif "" in values:
            yield "impersonating the empty string value in extra is not allowed"


def _key_problem(key: str) -> str:
    """What is wrong with a key that is to be a path below a domain, "" if nothing is."""
    domain, _, path = key.partition("/")
    if not (domain and path):
        return f'extra.key: Invalid value: {quoted(key)}: must be a domain-prefixed path (such as "acme.io/foo")'
    problem = next(iter(formats.subdomain(domain)), "")
    return f"extra.key: Invalid value: {quoted(domain)}: {problem}" if problem else ""


def _user(wanted: Wanted, mode: str) -> User:
    groups = list(wanted.groups)
    account = account_of(wanted.username)
    if mode and _node_of(wanted.username):
        groups = ["system:nodes"]
    elif account and not groups:
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{account[0]}"]
    added = _UNAUTHENTICATED if wanted.username == _ANONYMOUS else _AUTHENTICATED
    if added not in groups and _UNAUTHENTICATED not in groups:
        groups.append(added)
    user: dict[str, Any] = {"username": wanted.username}
    if wanted.uid:
        user["uid"] = wanted.uid
    user["groups"] = groups
    if wanted.extra:
        user["extra"] = {key: list(values) for key, values in wanted.extra.items()}
    return user


def account_of(username: str) -> tuple[str, str] | None:
    """
    Return the namespace and name of the service account that a username is of, None for any other.

    >>> account_of("system:serviceaccount:demo:web"), account_of("nina")
    (('demo', 'web'), None)
    """
    match username.split(":"):
        case ["system", "serviceaccount", namespace, name]:
            is_valid = not (formats.dns_label(namespace) or formats.subdomain(name))
            return (namespace, name) if is_valid else None
    return None


def _node_of(username: str) -> str:
    """The name of the node that a username is of, "" for any other."""
    name = username.removeprefix(_NODE)
    return name if name != username and not formats.subdomain(name) else ""
