"""
The Secret NAME-config of each network, which all of its pods mount, as the server has it.

It holds the state of a rotation (rotation.py), so no controller has to remember one. It is read when a network is seen
for the first time, and again after `reread`; then a change by hand is put back. One that is gone, or says nothing that
can be used, is made again as it was when it was read last. Secrets are not watched: the controller would have to read
all of the cluster.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from ctrlkit.bitcoin.layout import conf_key, config_in, config_secret
from ctrlkit.bitcoin.names import config_name
from ctrlkit.bitcoin.network import BitcoinNetwork
from ctrlkit.bitcoin.objects import SECRETS, Secret
from ctrlkit.bitcoin.owned import Blocked, CreationFailed, owner_problem
from ctrlkit.bitcoin.reasons import Reason, Trouble
from ctrlkit.bitcoin.rotation import ConfigState
from ctrlkit.bitcoin.texts import shown
from ctrlkit.client import Client
from ctrlkit.errors import ApiError, NotFound
from ctrlkit.model import AnyResource, ObjectKey, ObjectMeta, OnConflict


@dataclass(frozen=True, slots=True)
class _Read:
    """The Secret of the network `uid`; the last state, and the last data, that there were in one of it."""

    uid: str
    secret: Secret | None
    state: ConfigState | None
    data: Mapping[str, bytes] = field(repr=False)
    is_fresh: bool = True


class SecretTaken(Blocked):
    """A Secret that the network does not own has the name; nobody tells when it goes."""


class ConfigStore:
    """
    Reads and writes the Secrets NAME-config.

    Errors  SecretTaken where the Secret is somebody else's, CreationFailed where the server refuses it; the client's.
    """

    def __init__(self, client: Client, *, created: Callable[[ObjectMeta, AnyResource, str], None]) -> None:
        self._client = client
        self._created = created
        self._read: dict[ObjectKey, _Read] = {}

    async def read(self, network: BitcoinNetwork) -> ConfigState | None:
        """Return what the nodes of a network accept; None if nothing has been written yet, as far as is known."""
        return (await self._current(network)).state

    async def write(self, network: BitcoinNetwork, state: ConfigState, *, kept: Iterable[str] = ()) -> None:
        """See that the Secret holds this, and what groups that are `kept` mount; nothing is sent where it does."""
        current, body = await self._current(network), config_secret(network, state)
        secret, there = current.secret, current.data
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
            self.reread(network.metadata.key)
            fact = f"secret {name} could not be written: {shown(error.message)}"
            raise CreationFailed(network, Trouble(Reason.CREATION_ERROR, fact), str(error)) from error
        self._read[network.metadata.key] = _Read(network.metadata.uid, after, state, after.data or {})
        if secret is None:
            self._created(network.metadata, SECRETS, name)

    def reread(self, network: ObjectKey) -> None:
        """Read the Secret of this network again when it is needed next."""
        known = self._read.get(network)
        if known is not None:
            self._read[network] = replace(known, is_fresh=False)

    def forget(self, network: ObjectKey) -> None:
        """Forget a network that is gone."""
        self._read.pop(network, None)

    async def _current(self, network: BitcoinNetwork) -> _Read:
        meta = network.metadata
        known = self._read.get(meta.key)
        if known is not None and known.uid != meta.uid:
            known = None
        if known is None or not known.is_fresh:
            secret = await self._fetch(network)
            before = known or _Read(meta.uid, None, None, {})
            held = None if secret is None else config_in(secret)
            data = before.data if secret is None else secret.data or {}
            known = _Read(meta.uid, secret, held or before.state, data)
            self._read[meta.key] = known
        return known

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
