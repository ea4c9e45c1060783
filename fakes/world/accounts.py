"""Whom the parts of a world act as, at a server that asks who may do what."""

from __future__ import annotations

from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.callers import User, service_account
from ctrlkit.fakes.tracker.rights.impersonation import account_of
from ctrlkit.model import ObjectKey
from ctrlkit.model.kinds import DAEMONSETS, DEPLOYMENTS, SERVICE_ACCOUNTS, STATEFULSETS

_WORKLOADS = (DEPLOYMENTS, STATEFULSETS, DAEMONSETS)


def acting_user(tracker: Tracker, username: str) -> User:
    """
    Return a user by name; "" is the service account of the workloads that there are, if it is the same.

    Errors  ValueError if there is no such service account, or none or several that could be meant.
    """
    username = username or _account_of_workloads(tracker)
    account = account_of(username)
    if account is None:
        return {"username": username, "groups": ["system:authenticated"]}
    found = {item.metadata.name: item for item in tracker.list(SERVICE_ACCOUNTS, account[0])}.get(account[1])
    if found is None:
        raise ValueError(
            f"act as the service account {ObjectKey(*account)}: it is not there; seed the manifest that makes it"
        )
    return service_account(username, found.metadata.uid)


def namespace_of(user: User) -> str:
    """Return the namespace of a user that is a service account; empty for any other."""
    account = account_of(user.get("username", ""))
    return "" if account is None else account[0]


def _account_of_workloads(tracker: Tracker) -> str:
    named = {
        f"system:serviceaccount:{workload.metadata.namespace}:{account}"
        for kind in _WORKLOADS
        for workload in tracker.list(kind)
        if (account := workload.at("spec.template.spec.serviceAccountName"))
    }
    if len(named) == 1:
        return named.pop()
    found = f"the workloads name {', '.join(sorted(named))}" if named else "no workload names a service account"
    raise ValueError(
        f'choose whom the manager acts as: {found}; say World(rbac=True, acting_as="system:serviceaccount:NAMESPACE:'
        'NAME"), or manage(..., acting_as=...)'
    )
