"""Where credentials come from: the Secret that is named, or one that is made for the network, once."""

from __future__ import annotations

import traceback
from base64 import b64decode
from typing import Any

import pytest

from ctrlkit.bitcoin.credentials import PASSWORD_KEY, USER_KEY, CredentialStore, credentials_in
from ctrlkit.bitcoin.names import labels
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, BitcoinNetwork, Spec
from ctrlkit.bitcoin.objects import SECRETS, Secret
from ctrlkit.bitcoin.reasons import Reason, Trouble
from ctrlkit.bitcoin.rpc import Credentials
from ctrlkit.errors import Forbidden, InternalError
from ctrlkit.fakes.clientset.clientset import FakeClientset, Write
from ctrlkit.model import Action, ObjectKey, ObjectMeta, kinds, to_plain

NAMED = Credentials(user="an-unusual-user", password="an-unusual-password")
OWN = ObjectKey("demo", "net-credentials")


def cluster(*objects: dict[str, object]) -> FakeClientset:
    return FakeClientset(None, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}, *objects)


def network(*, secret: str | None = None, uid: str = "n1", name: str = "net") -> BitcoinNetwork:
    return BitcoinNetwork(metadata=ObjectMeta(name=name, namespace="demo", uid=uid), spec=Spec(nodes=3, secret=secret))


def plain(name: str, values: dict[str, bytes], **metadata: object) -> dict[str, object]:
    meta = {"name": name, "namespace": "demo", **metadata}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": to_plain(values)}


def named(credentials: Credentials = NAMED, **metadata: Any) -> dict[str, object]:
    values = {USER_KEY: credentials.user.encode(), PASSWORD_KEY: credentials.password.encode()}
    return plain(metadata.pop("name", "rpc"), values, **metadata)


def trouble(found: Credentials | Trouble) -> Trouble:
    assert isinstance(found, Trouble)
    return found


async def test_a_network_that_names_no_secret_gets_one_of_its_own_once() -> None:
    """Random, owned by the network and labelled as its; a second controller finds it and makes none."""
    clientset = cluster()
    made = await CredentialStore(clientset.client).read(network())
    assert await CredentialStore(clientset.client).read(network()) == made
    assert clientset.writes == [Write("create", kinds.SECRETS, "demo/net-credentials")]
    secret = await clientset.client.get(SECRETS, OWN)
    assert credentials_in(secret, OWN.name) == made
    assert secret.metadata.is_controlled_by(network().metadata)
    assert dict(secret.metadata.labels or {}) == labels("net")


async def test_no_two_networks_get_the_same_credentials() -> None:
    """Neither user nor password, and both are long enough to be nobody's guess."""
    store = CredentialStore(cluster().client)
    one, other = await store.read(network()), await store.read(network(name="other"))
    assert isinstance(one, Credentials)
    assert isinstance(other, Credentials)
    assert (one.user != other.user, one.password != other.password) == (True, True)
    assert len(one.password) >= 40


async def test_a_secret_of_ours_that_is_deleted_is_made_anew_with_other_values() -> None:
    """Once it is read again: deleting it is how one asks for new credentials."""
    clientset = cluster()
    store = CredentialStore(clientset.client)
    first = await store.read(network())
    await clientset.client.delete(SECRETS, OWN)
    assert await store.read(network()) == first
    store.forget(network().metadata.key)
    second = await store.read(network())
    assert isinstance(second, Credentials)
    assert second != first


async def test_a_secret_that_is_named_is_read_and_never_written() -> None:
    """Once, and again after `forget`."""
    clientset = cluster(named())
    store = CredentialStore(clientset.client)
    for _ in range(3):
        assert await store.read(network(secret="rpc")) == NAMED
    assert [str(action) for action in clientset.actions] == ["get secrets demo/rpc"]
    store.forget(network().metadata.key)
    await store.read(network(secret="rpc"))
    assert [str(action) for action in clientset.actions] == ["get secrets demo/rpc"] * 2


async def test_what_is_remembered_serves_one_network_and_one_secret() -> None:
    """Another network of the same name, or another name in the spec, is read for."""
    clientset = cluster(named(), named(Credentials(user="b", password="c"), name="other"))
    store = CredentialStore(clientset.client)
    await store.read(network(secret="rpc"))
    assert await store.read(network(secret="other")) == Credentials(user="b", password="c")
    await store.read(network(secret="other", uid="n2"))
    assert len(clientset.actions) == 3


async def test_a_named_secret_that_is_absent_is_told_and_nothing_is_made_in_its_place() -> None:
    """No defaults: nodes wait until somebody makes it, and then it is found at once."""
    clientset = cluster()
    store = CredentialStore(clientset.client)
    found = trouble(await store.read(network(secret="rpc")))
    assert found.message == "secret rpc does not exist; create it, with BC_RPC_USER and BC_RPC_PASSWORD"
    assert clientset.writes == []
    await clientset.client.create(SECRETS, named())
    assert await store.read(network(secret="rpc")) == NAMED


@pytest.mark.parametrize(
    ("owner", "labelled"), [("somebody", True), ("", False)], ids=["of another owner", "of nobody, without our label"]
)
async def test_a_secret_of_somebody_else_under_our_name_is_neither_read_nor_changed(owner: str, labelled: bool) -> None:
    """It may hold anything."""
    holder = BITCOIN_NETWORKS.owner_reference(ObjectMeta(name="net", namespace="demo", uid=owner))
    metadata: dict[str, Any] = {"labels": labels("net")} if labelled else {}
    metadata |= {"ownerReferences": [to_plain(holder)]} if owner else {}
    clientset = cluster(named(name=OWN.name, **metadata))
    found = trouble(await CredentialStore(clientset.client).read(network()))
    assert (found.reason, "is not this network's" in found.message) == (Reason.NAME_TAKEN, True)
    assert clientset.writes == []


async def test_a_secret_that_a_former_network_left_is_taken_over() -> None:
    """So nodes that were orphaned go on with the credentials that they accept."""
    clientset = cluster(named(name=OWN.name, labels=labels("net")))
    assert await CredentialStore(clientset.client).read(network()) == NAMED
    secret = await clientset.client.get(SECRETS, OWN)
    assert secret.metadata.is_controlled_by(network().metadata)
    assert credentials_in(secret, OWN.name) == NAMED


async def test_a_secret_of_ours_that_somebody_emptied_is_told_with_the_way_out() -> None:
    """It is not overwritten: somebody may be about to fill it."""
    owned = [to_plain(BITCOIN_NETWORKS.owner_reference(network().metadata))]
    clientset = cluster(plain(OWN.name, {}, ownerReferences=owned))
    found = trouble(await CredentialStore(clientset.client).read(network()))
    assert found.reason == Reason.SECRET_INCOMPLETE
    assert found.message.endswith("delete it, and it is made anew")


async def test_what_may_not_be_read_is_told() -> None:
    """The permission is an operator's to give."""
    clientset = cluster()

    def refuse(_: Action) -> None:
        raise Forbidden('secrets "rpc" is forbidden')

    clientset.add_reactor("get", SECRETS, refuse)
    assert (
        trouble(await CredentialStore(clientset.client).read(network(secret="rpc"))).reason == Reason.SECRET_FORBIDDEN
    )


async def test_a_failure_shows_no_password() -> None:
    """Neither the message nor the traceback, with the values of variables, of a create that fails."""
    clientset = cluster()

    def fail(_: Action) -> None:
        raise InternalError("broken")

    clientset.add_reactor("create", SECRETS, fail)
    with pytest.raises(InternalError) as raised:
        await CredentialStore(clientset.client).read(network())
    shown = "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())
    body = clientset.actions[-1].body
    assert isinstance(body, dict)
    coded = body["data"][PASSWORD_KEY]
    assert coded not in shown
    assert b64decode(coded).decode() not in shown


@pytest.mark.parametrize(
    "user", [b"an-unusual:user", b"an-unusual$user", b"an-unusual#user", b"an-unusual\nuser", b" ", "\u00e9".encode()]
)
def test_a_user_that_would_break_a_line_of_bitcoin_conf_is_refused(user: bytes) -> None:
    """With a line break, a Secret could say what a spec may not; the message shows no value."""
    found = trouble(credentials_in(Secret(data={USER_KEY: user, PASSWORD_KEY: b"x"}), "rpc"))
    assert (found.reason, "an-unusual" in found.message) == (Reason.SECRET_INCOMPLETE, False)
