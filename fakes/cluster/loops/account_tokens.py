"""
Tokens of ServiceAccounts in Secrets: a Secret of that type gets the token of its account, and goes with the account.

Differences from a real one: the token is asked of the server, bound to the Secret, and valid for years, where a real
controller signs one that never expires.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from ctrlkit.cache import Change, Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from ctrlkit.errors import Conflict, NotFound
from ctrlkit.manager import Manager
from ctrlkit.model import ObjectKey, Record, Unstructured
from ctrlkit.model.kinds import SECRETS, SERVICE_ACCOUNTS

TOKEN_TYPE = "kubernetes.io/service-account-token"
NAME = "kubernetes.io/service-account.name"
UID = "kubernetes.io/service-account.uid"
_VALID_S = 1 << 32
"""The longest time that a server gives a token."""


@dataclass(frozen=True, slots=True)
class AccountTokens:
    """Reconciles Secrets; `root_ca` is the server's certificate authority as PEM, "" for a server without TLS."""

    client: Client
    secrets: Lister[Unstructured]
    accounts: Lister[Unstructured]
    root_ca: str

    async def reconcile(self, request: Request) -> Outcome:
        """Complete the Secret of an account that there is, or delete that of one that there is not."""
        secret = self.secrets.find(request.key)
        if secret is None or secret.get("type") != TOKEN_TYPE or secret.metadata.deleting:
            return DONE
        account = await self._account(secret)
        with suppress(NotFound, Conflict):  # gone or changed: the cache is about to show it
            if account is None:
                await self.client.delete(SECRETS, secret.key, uid=secret.metadata.uid)
            else:
                await self._complete(secret, account)
        return DONE

    async def _account(self, secret: Unstructured) -> Unstructured | None:
        annotations = secret.metadata.annotations or {}
        key = ObjectKey(secret.key.namespace, annotations.get(NAME, ""))
        found = self.accounts.find(key)
        if found is None and key.name:
            with suppress(NotFound):
                found = await self.client.get(SERVICE_ACCOUNTS, key)
        uid = annotations.get(UID)
        return found if found is not None and uid in (None, found.metadata.uid) else None

    async def _complete(self, secret: Unstructured, account: Unstructured) -> None:
        data: dict[str, str] = secret.get("data") or {}
        wanted = {"namespace": _encoded(secret.key.namespace)}
        if self.root_ca:
            wanted["ca.crt"] = _encoded(self.root_ca)
        if not data.get("token"):
            wanted["token"] = _encoded(await self._token(secret, account))
        annotations = dict(secret.metadata.annotations or {})
        if wanted.items() <= data.items() and annotations.get(UID) == account.metadata.uid:
            return
        metadata = secret["metadata"] | {"annotations": annotations | {UID: account.metadata.uid}}
        await self.client.update(SECRETS, secret | {"metadata": metadata, "data": data | wanted})

    async def _token(self, secret: Unstructured, account: Unstructured) -> str:
        bound = {"kind": "Secret", "apiVersion": "v1", "name": secret.key.name, "uid": secret.metadata.uid}
        asked = {"spec": {"expirationSeconds": _VALID_S, "boundObjectRef": bound}}
        answer = await self.client.subresource(SERVICE_ACCOUNTS, account.key, "token").create(asked)
        return str(answer.at("status.token"))


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


def _to_secrets(secrets: Lister[Unstructured], account: Record[Any]) -> Iterable[ObjectKey]:
    """Map an account to the Secrets that name it."""
    there = secrets.records(namespace=account.key.namespace)
    return [one.key for one in there if (one.meta.annotations or {}).get(NAME) == account.key.name]


def _is_token(change: Change[Any]) -> bool:
    return change.new is not None and change.new.shared.get("type") == TOKEN_TYPE


def _comes_or_goes(change: Change[Any]) -> bool:
    return change.old is None or change.new is None or change.old.meta.uid != change.new.meta.uid


def add_account_tokens(manager: Manager, *, root_ca: str) -> None:
    """Add the loop to a manager."""
    secrets, accounts = manager.informer(SECRETS), manager.informer(SERVICE_ACCOUNTS)
    loop = AccountTokens(manager.client, secrets.lister, accounts.lister, root_ca)
    watches: list[Watch[Any]] = [
        Watch(secrets, to_self, predicate=_is_token),
        Watch(accounts, partial(_to_secrets, secrets.lister), predicate=_comes_or_goes),
    ]
    manager.add(Controller(name="account-tokens", reconcile=loop.reconcile, watches=watches))
