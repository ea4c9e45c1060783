"""
Finds the credentials that a user wants for a network: those in the Secret that is named, or generated ones.

Where a network names no Secret, the controller makes one for it, NAME-credentials, once; it belongs to the network. A
Secret that somebody deletes is made anew, and the nodes are taken to the new credentials as to any others (rotation).

Secrets are read by `get`, now and then, so the controller needs no `list` on them: to watch one, it would have to read
all secrets of the cluster. Nothing here shows a value, whatever fails.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ctrlkit.bitcoin import names
from ctrlkit.bitcoin.bitcoin_conf import is_user
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, BitcoinNetwork
from ctrlkit.bitcoin.objects import SECRETS, Secret
from ctrlkit.bitcoin.reasons import Reason, Trouble
from ctrlkit.bitcoin.rpc import Credentials
from ctrlkit.client import Client
from ctrlkit.errors import AlreadyExists, BadRequest, DecodeError, Forbidden, NotFound
from ctrlkit.model import AnyResource, ObjectKey, ObjectMeta, to_plain

USER_KEY: Final = "BC_RPC_USER"
PASSWORD_KEY: Final = "BC_RPC_PASSWORD"

PASSWORD_BYTES: Final = 32
_USER_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class _Remembered:
    """Credentials as they stood in the Secret `name` of the network `uid`."""

    uid: str
    name: str
    credentials: Credentials

    def serves(self, uid: str, name: str) -> bool:
        return (self.uid, self.name) == (uid, name)


class CredentialStore:
    """
    Reads Secrets, makes those that nobody named, and remembers good credentials until `forget`.

    Errors  Those of the client, except BadRequest, NotFound, Forbidden and DecodeError of a read, which are returned as
            Trouble.
    """

    def __init__(
        self, client: Client, *, created: Callable[[ObjectMeta, AnyResource, str], None] = lambda *_what: None
    ) -> None:
        self._client = client
        self._created = created
        self._remembered: dict[ObjectKey, _Remembered] = {}

    async def read(self, network: BitcoinNetwork) -> Credentials | Trouble:
        """Return the credentials that are wanted for the nodes of a network, or why there are none."""
        key, name = network.metadata.key, network.spec.secret or names.credentials_name(network.metadata.name)
        remembered = self._remembered.get(key)
        if remembered is not None and remembered.serves(network.metadata.uid, name):
            return remembered.credentials
        found = await (self._named(network, name) if network.spec.secret else self._own(network, name))
        if isinstance(found, Credentials):
            self._remembered[key] = _Remembered(network.metadata.uid, name, found)
        else:
            self.forget(key)
        return found

    def forget(self, network: ObjectKey) -> None:
        """Read the Secret of this network again when it is needed next: a node refused, it is gone, or time passed."""
        self._remembered.pop(network, None)

    async def _named(self, network: BitcoinNetwork, name: str) -> Credentials | Trouble:
        secret = await self._get(ObjectKey(network.metadata.namespace, name))
        if secret is None:
            return Trouble(Reason.SECRET_NOT_FOUND, f"secret {name} does not exist; create it, with {_KEYS}")
        if isinstance(secret, Trouble):
            return secret
        holder = secret.metadata.controller
        if holder is not None and holder.kind == BITCOIN_NETWORKS.kind and holder.name != network.metadata.name:
            return Trouble(
                Reason.SECRET_FORBIDDEN,
                f"secret {name} belongs to network {holder.name}; make one for this network, and name it",
            )
        return credentials_in(secret, name)

    async def _own(self, network: BitcoinNetwork, name: str) -> Credentials | Trouble:
        """Return the credentials in the network's own Secret, which is made where there is none."""
        key = ObjectKey(network.metadata.namespace, name)
        secret = await self._get(key)
        if secret is None:
            made = Credentials(user=secrets.token_hex(_USER_BYTES), password=secrets.token_urlsafe(PASSWORD_BYTES))
            try:
                await self._client.create(SECRETS, _secret_of(network, name, made))
            except AlreadyExists:  # somebody was faster: what stands there counts
                secret = await self._get(key)
            else:
                self._created(network.metadata, SECRETS, name)
                return made
        if secret is None:
            return Trouble(Reason.SECRET_NOT_FOUND, f"secret {name} is made and deleted again; see who deletes it")
        if isinstance(secret, Trouble):
            return secret
        foreign = await self._adopt(network, secret.metadata)
        return foreign or credentials_in(secret, name, way_out="delete it, and it is made anew")

    async def _adopt(self, network: BitcoinNetwork, found: ObjectMeta) -> Trouble | None:
        """Take over what a former network of this name left (deletionPolicy Orphan); or say whose the Secret is."""
        if found.is_controlled_by(network.metadata):
            return None
        if found.controller is not None or (found.labels or {}).get(names.NETWORK_LABEL) != network.metadata.name:
            return Trouble(
                Reason.NAME_TAKEN,
                f"secret {found.name} exists and is not this network's; name it in spec.secret to use it, or delete it",
            )
        owners = {"ownerReferences": [to_plain(BITCOIN_NETWORKS.owner_reference(network.metadata))]}
        await self._client.apply(SECRETS, found.key, {"metadata": owners})
        return None

    async def _get(self, key: ObjectKey) -> Secret | Trouble | None:
        try:
            return await self._client.get(SECRETS, key)
        except BadRequest:  # an older definition, or none, let it through
            return Trouble(
                Reason.SECRET_NOT_FOUND, f"no secret can have the name {key.name[:64]!r}; correct spec.secret"
            )
        except NotFound:
            return None
        except Forbidden:
            return Trouble(
                Reason.SECRET_FORBIDDEN, f"the controller may not read secret {key.name}; allow it to get secrets"
            )
        except DecodeError:
            return Trouble(Reason.SECRET_INCOMPLETE, f"secret {key.name} cannot be decoded; its values must be base64")


_KEYS: Final = f"{USER_KEY} and {PASSWORD_KEY}"


def credentials_in(secret: Secret, name: str, *, way_out: str = "") -> Credentials | Trouble:
    """
    Read the credentials in a Secret, or say why it cannot be used, without showing a value.

    >>> credentials_in(Secret(data={"BC_RPC_USER": b"bc-user"}), "net-secret").message
    'secret net-secret has no BC_RPC_PASSWORD; it needs BC_RPC_USER and BC_RPC_PASSWORD'
    """

    def incomplete(fact: str, otherwise: str) -> Trouble:
        return Trouble(Reason.SECRET_INCOMPLETE, f"secret {name} {fact}; {way_out or otherwise}")

    data = secret.data or {}
    missing = [key for key in (USER_KEY, PASSWORD_KEY) if not data.get(key)]
    if missing:
        return incomplete(f"has no {' and no '.join(missing)}", f"it needs {_KEYS}")
    try:
        user, password = data[USER_KEY].decode(), data[PASSWORD_KEY].decode()
    except UnicodeDecodeError:
        return incomplete("holds credentials that are not text", "use UTF-8")
    if not is_user(user):
        return incomplete(
            f"holds a {USER_KEY} that bitcoin.conf cannot have: with a colon, $, #, a space, or what is not ASCII",
            "choose another name",
        )
    return Credentials(user=user, password=password)


def _secret_of(network: BitcoinNetwork, name: str, credentials: Credentials) -> dict[str, Any]:
    """Return the Secret that is made for a network."""
    return {
        "metadata": {
            "name": name,
            "namespace": network.metadata.namespace,
            "labels": names.labels(network.metadata.name),
            "ownerReferences": [to_plain(BITCOIN_NETWORKS.owner_reference(network.metadata))],
        },
        "type": "Opaque",
        "data": {USER_KEY: credentials.user.encode(), PASSWORD_KEY: credentials.password.encode()},
    }
