"""
Who calls, as the reviews of authentication and authorization say it.

The server that takes a request says who sent it, and how it tells whom a token stands for; calls without such a server
are the administrator's, and know no token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

User = Mapping[str, Any]
"""A `UserInfo` of authentication.k8s.io/v1."""

ADMINISTRATOR: Final[User] = {"username": "admin", "uid": "admin", "groups": ["system:masters", "system:authenticated"]}


class AgentName(str):
    """The name of a client, for the fields that it owns: it has given none itself."""

    __slots__ = ()


_CALLER: ContextVar[User] = ContextVar("caller", default=ADMINISTRATOR)
_IS_ADMITTED: ContextVar[bool] = ContextVar("caller_is_admitted", default=False)
_USER_OF: ContextVar[Callable[[str], User | None]] = ContextVar("user_of", default=lambda _token: None)


@contextmanager
def called_by(user: User, user_of: Callable[[str], User | None], *, is_admitted: bool = False) -> Iterator[None]:
    """
    Serve what is in the block for a user.

    `user_of` tells whom a token stands for, None if it is not valid. `is_admitted` says that the user may make this
    call, which somebody has asked already.
    """
    tokens = _CALLER.set(user), _USER_OF.set(user_of), _IS_ADMITTED.set(is_admitted)
    try:
        yield
    finally:
        _CALLER.reset(tokens[0])
        _USER_OF.reset(tokens[1])
        _IS_ADMITTED.reset(tokens[2])


@contextmanager
def acting_as(user: User) -> Iterator[None]:
    """Make the calls in the block as a user."""
    token = _CALLER.set(user)
    try:
        yield
    finally:
        _CALLER.reset(token)


def act_as(user: User) -> None:
    """Make all further calls of this context as a user, as those of a program that has its credentials."""
    _CALLER.set(user)


def is_admitted() -> bool:
    """Whether it is known that the caller may make this call."""
    return _IS_ADMITTED.get()


def caller() -> User:
    """Return the user of the request that is being served."""
    return _CALLER.get()


def user_of_token(token: str) -> User | None:
    """Return the user that a bearer token stands for, None for one that is not valid."""
    return _USER_OF.get()(token)


def service_account(username: str, uid: str, extra: Mapping[str, list[str]] | None = None) -> User:
    """
    Return the user that a service account is; `extra` is what its token says besides.

    >>> service_account("system:serviceaccount:demo:web", "u-1")["groups"]
    ['system:serviceaccounts', 'system:serviceaccounts:demo', 'system:authenticated']
    """
    namespace = username.split(":")[2]
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
    return {"username": username, "uid": uid, "groups": groups, **({"extra": extra} if extra else {})}
