"""
Reads the credentials of a network from its Secret; without a Secret, the nodes' defaults apply.

A Secret is read when it is first needed, and again after `forget`: when the network was deleted, or when a node refused
the credentials. So a settled network costs no calls, and the controller needs only `get` on secrets; to watch them, it
would have to read all secrets of the cluster.
"""

from __future__ import annotations

from typing import Final

from ctrlkit.bitcoin.rpc import Credentials
from ctrlkit.bitcoin.status import Reason, Trouble
from ctrlkit.bitcoin.types import SECRETS, BitcoinNetwork, Secret
from ctrlkit.client import Client
from ctrlkit.errors import BadRequest, DecodeError, Forbidden, NotFound
from ctrlkit.model import ObjectKey

USER_KEY: Final = "BC_RPC_USER"
PASSWORD_KEY: Final = "BC_RPC_PASSWORD"
DEFAULT_CREDENTIALS: Final = Credentials(user="user", password="password")


class CredentialSource:
    """
    Reads Secrets and caches the credentials until `forget`.

    Errors  Those of the client, except BadRequest, NotFound, Forbidden and DecodeError, which are returned as Trouble.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._remembered: dict[ObjectKey, tuple[str, Credentials]] = {}

    async def read(self, network: BitcoinNetwork) -> Credentials | Trouble:
        """Return the credentials of a network's nodes: from its Secret if it names one, else the defaults."""
        key, name = network.metadata.key, network.spec.secret
        if not name:
            return DEFAULT_CREDENTIALS
        remembered = self._remembered.get(key)
        if remembered is not None and remembered[0] == name:
            return remembered[1]
        found = await self._fetch(key.namespace, name)
        if isinstance(found, Credentials):
            self._remembered[key] = (name, found)
        return found

    def forget(self, network: ObjectKey) -> None:
        """Read the Secret of this network again when it is needed next."""
        self._remembered.pop(network, None)

    async def _fetch(self, namespace: str, name: str) -> Credentials | Trouble:
        try:
            secret = await self._client.get(SECRETS, ObjectKey(namespace, name))
        except BadRequest:  # an older definition, or none, let it through
            return Trouble(Reason.SECRET_NOT_FOUND, f"no secret can have the name {name[:64]!r}; correct spec.secret")
        except NotFound:
            return Trouble(Reason.SECRET_NOT_FOUND, f"secret {name} does not exist; create it, with {_KEYS}")
        except Forbidden:
            return Trouble(
                Reason.SECRET_FORBIDDEN, f"the controller may not read secret {name}; allow it to get secrets"
            )
        except DecodeError:
            return Trouble(Reason.SECRET_INCOMPLETE, f"secret {name} cannot be decoded; its values must be base64")
        return credentials_in(secret, name)


def credentials_in(secret: Secret, name: str) -> Credentials | Trouble:
    """
    Read the credentials in a Secret, or say why it cannot be used, without showing a value.

    >>> credentials_in(Secret({"BC_RPC_USER": b"bc-user"}), "net-secret").message
    'secret net-secret has no BC_RPC_PASSWORD; it needs BC_RPC_USER and BC_RPC_PASSWORD'
    """
    data = secret.data or {}
    missing = [key for key in (USER_KEY, PASSWORD_KEY) if not data.get(key)]
    if missing:
        return _incomplete(name, f"has no {' and no '.join(missing)}; it needs {_KEYS}")
    try:
        return Credentials(user=data[USER_KEY].decode(), password=data[PASSWORD_KEY].decode())
    except UnicodeDecodeError:
        return _incomplete(name, "holds credentials that are not text; use UTF-8")
    except ValueError:  # raised by Credentials, whose message is about a keyword of Python
        return _incomplete(name, f"holds a {USER_KEY} with a colon, which no user can have; choose another name")


_KEYS: Final = f"{USER_KEY} and {PASSWORD_KEY}"


def _incomplete(name: str, fact: str) -> Trouble:
    return Trouble(Reason.SECRET_INCOMPLETE, f"secret {name} {fact}")
