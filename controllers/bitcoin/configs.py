"""
The Secret NAME-config of each network, which all of its pods mount, as the server has it.

It holds the state of a rotation (rotation.py), so no controller has to remember one. It is read when a network is seen
for the first time, and again every REREAD_S and after `forget`; then a change by hand is put back. Secrets are not
watched: the controller would have to read all of the cluster.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ctrlkit.bitcoin.layout import conf_key, config_in, config_secret
from ctrlkit.bitcoin.names import config_name
from ctrlkit.bitcoin.network import BitcoinNetwork
from ctrlkit.bitcoin.objects import SECRETS, Secret
from ctrlkit.bitcoin.owned import Blocked, CreationFailed, owner_problem
from ctrlkit.bitcoin.reasons import Reason, Trouble
from ctrlkit.bitcoin.rotation import ConfigState
from ctrlkit.client import Client
from ctrlkit.clock import monotonic
from ctrlkit.errors import ApiError, NotFound
from ctrlkit.model import ObjectKey, OnConflict

REREAD_S: Final = 300.0
"""Seconds until the Secret of a settled network is read again."""

_WORDS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class _Read:
    uid: str
    secret: Secret | None
    at: float


class SecretTaken(Blocked):
    """A Secret that the network does not own has the name; nobody tells when it goes."""


class ConfigStore:
    """
    Reads and writes the Secrets NAME-config.

    Errors  SecretTaken where the Secret is somebody else's, CreationFailed where the server refuses it; the client's.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._read: dict[ObjectKey, _Read] = {}

    async def read(self, network: BitcoinNetwork) -> ConfigState | None:
        """Return what the nodes of a network accept; None if nothing has been written yet."""
        secret = await self._secret(network)
        return None if secret is None else config_in(secret)

    async def write(self, network: BitcoinNetwork, state: ConfigState, *, kept: Iterable[str] = ()) -> None:
        """See that the Secret holds this, and what groups that are `kept` mount; nothing is sent where it does."""
        body, secret = config_secret(network, state), await self._secret(network)
        there = (secret.data if secret is not None else None) or {}
        names = [name for name in map(conf_key, kept) if name in there]
        body["data"] |= {name: b64encode(there[name]).decode() for name in names}
        wanted = {name: b64decode(value) for name, value in body["data"].items()}
        is_ours = secret is not None and secret.metadata.is_controlled_by(network.metadata)
        if secret is not None and is_ours and secret.data == wanted:
            return
        name = _name(network)
        try:
            key = ObjectKey(network.metadata.namespace, name)
            after = await self._client.apply(SECRETS, key, body, on_conflict=OnConflict.FORCE)
        except ApiError as error:
            self.forget(network.metadata.key)
            fact = f"secret {name} could not be written: {error.message[:_WORDS_MAX]}"
            raise CreationFailed(network, Trouble(Reason.CREATION_ERROR, fact), str(error)) from error
        self._read[network.metadata.key] = _Read(network.metadata.uid, after, monotonic())

    def forget(self, network: ObjectKey) -> None:
        """Read the Secret of this network again when it is needed next."""
        self._read.pop(network, None)

    async def _secret(self, network: BitcoinNetwork) -> Secret | None:
        meta = network.metadata
        known = self._read.get(meta.key)
        if known is not None and known.uid == meta.uid and monotonic() - known.at < REREAD_S:
            return known.secret
        self.forget(meta.key)
        found = await self._fetch(network)
        self._read[meta.key] = _Read(meta.uid, found, monotonic())
        return found

    async def _fetch(self, network: BitcoinNetwork) -> Secret | None:
        try:
            found = await self._client.get(SECRETS, ObjectKey(network.metadata.namespace, _name(network)))
        except NotFound:
            return None
        problem = owner_problem(network, SECRETS, found.metadata)
        if problem:
            raise SecretTaken(network, Trouble(Reason.NAME_TAKEN, problem), problem)
        return found


def _name(network: BitcoinNetwork) -> str:
    return config_name(network.metadata.name)
