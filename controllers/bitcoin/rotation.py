"""
Takes a network from one pair of credentials to another while its nodes are restarted one by one. Pure.

The controller calls with the credentials in force; the nodes accept the pairs whose rpcauth lines stand in the
bitcoin.conf that they were started with.

    in force   lines     what happens
    A          A         A is wanted
    A          A, B      B is wanted: a rollout brings both lines to every node
    B          B         all nodes have both: B comes into force, and a second rollout takes the line of A away

A-a  Every pod accepts the credentials in force, in every phase: a line is added before its pair comes into force, and
     the line of the pair in force is never taken away.
A-b  There are two lines at most. What is wanted may change at any time: a pair that is not wanted any more and is not
     in force loses its line at once, because nobody calls with it.
A-c  A change that is not changed again takes two rollouts, however often it is looked at.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from ctrlkit.bitcoin.rpc import Credentials


@dataclass(frozen=True, slots=True)
class ConfigState:
    """
    The credentials in force, and the rpcauth lines that nodes are started with, `USER:SALT$HMAC`.

    The Secret NAME-config keeps it. The lines show no password; like it, they are not shown.
    """

    in_force: Credentials
    auth: tuple[str, ...] = field(repr=False)


def auth_line(credentials: Credentials, salt: str) -> str:
    """
    Return the value of `rpcauth` for credentials, as share/rpcauth of Bitcoin Core makes it.

    >>> auth_line(Credentials(user="bc-user", password="s3cret"), "5a17")
    'bc-user:5a17$ae875727d0af9252e82f1e81804ccc7a789a542d6c746088bdccdee7bfa14a7d'
    """
    return f"{credentials.user}:{salt}${_hmac(salt, credentials.password)}"


def accepts(line: str, credentials: Credentials) -> bool:
    """Whether a node with this line accepts these credentials."""
    user, _, rest = line.rpartition(":")
    salt, _, digest = rest.partition("$")
    return user == credentials.user and hmac.compare_digest(digest, _hmac(salt, credentials.password))


def next_config(state: ConfigState | None, wanted: Credentials, *, salt: str, all_updated: bool) -> ConfigState:
    """
    Return what NAME-config is to say now; equal to `state` where nothing is to be done.

    `salt` is for a line that is not there yet, random hexadecimal digits. `all_updated`: every pod runs with the lines
    of `state`; where that is not sure, it is false.
    """
    if state is None:
        return ConfigState(wanted, (auth_line(wanted, salt),))
    current, new = _line_in(state, state.in_force), _line_in(state, wanted)
    if wanted == state.in_force:
        return ConfigState(wanted, (current or auth_line(wanted, salt),))
    if new and all_updated:
        return ConfigState(wanted, (new,))
    return ConfigState(state.in_force, (current or auth_line(state.in_force, salt), new or auth_line(wanted, salt)))


def _line_in(state: ConfigState, credentials: Credentials) -> str:
    return next((line for line in state.auth if accepts(line, credentials)), "")


def _hmac(salt: str, password: str) -> str:
    return hmac.new(salt.encode(), password.encode(), "sha256").hexdigest()
