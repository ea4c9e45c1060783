"""Credentials come from the secret that is named, or from nowhere; and they are shown to nobody but the nodes."""

from __future__ import annotations

import logging
import traceback
from collections.abc import MutableMapping
from typing import Any

import pytest
import structlog
from rich.pretty import pretty_repr

from ctrlkit.bitcoin.credentials import PASSWORD_KEY, USER_KEY, CredentialSource, credentials_in
from ctrlkit.bitcoin.rpc import Credentials
from ctrlkit.bitcoin.status import Reason, Trouble
from ctrlkit.bitcoin.types import SECRETS, BitcoinNetwork, Secret, Spec
from ctrlkit.errors import Forbidden
from ctrlkit.fakes.clientset.clientset import FakeClientset, Write
from ctrlkit.model import Action, ObjectMeta, kinds
from tests.bitcoin.scene import CREDENTIALS, Scene, address, mesh

DIFFERENT = Credentials(user="another-unusual-user", password="another-unusual-password")
MISSING = "secret rpc does not exist; create it, with BC_RPC_USER and BC_RPC_PASSWORD"


async def test_a_network_that_names_no_secret_uses_the_defaults(scene: Scene) -> None:
    """And no secret is read."""
    await scene.running(2)
    assert scene.nodes.lists == mesh(2)
    assert scene.condition("CredentialsAvailable") == ("True", "DefaultCredentials")


async def test_a_network_that_names_a_secret_uses_what_it_holds(scene: Scene) -> None:
    """Nodes that accept nothing else are connected."""
    scene.put_secret("rpc")
    scene.nodes.accepted = CREDENTIALS
    await scene.running(2, secret="rpc")
    assert scene.nodes.lists == mesh(2)
    assert scene.condition("CredentialsAvailable") == ("True", "SecretFound")


async def test_a_secret_that_is_missing_is_told_and_never_replaced_by_the_defaults(scene: Scene) -> None:
    """Event and condition name it; the nodes run, and are not talked to."""
    scene.apply(2, secret="rpc")
    await scene.world.settle()
    scene.run_pod(0)
    scene.run_pod(1)
    await scene.world.advance(100)
    assert scene.statefulset.at("spec.replicas") == 2
    assert scene.network.at("status.readyNodes") == 2
    assert scene.condition("CredentialsAvailable") == ("False", "SecretNotFound")
    assert scene.message("CredentialsAvailable") == MISSING
    assert scene.condition("Available") == ("False", "CredentialsMissing")
    assert scene.events("Warning") == [("SecretNotFound", MISSING)]
    assert scene.nodes.calls == []


async def test_a_secret_that_comes_later_is_found(scene: Scene) -> None:
    """Within ten seconds, although secrets are not watched; until then each look is one read and no write."""
    scene.nodes.accepted = CREDENTIALS
    await scene.running(2, secret="rpc")
    await scene.world.advance(100)
    assert [str(action) for action in scene.world.clientset.actions] == ["get secrets demo/rpc"] * 10
    scene.put_secret("rpc")
    await scene.world.advance(10)
    assert scene.nodes.lists == mesh(2)
    assert scene.condition("CredentialsAvailable") == ("True", "SecretFound")
    assert scene.condition("Available") == ("True", "NodesConnected")


@pytest.mark.parametrize("left_out", [USER_KEY, PASSWORD_KEY])
async def test_a_secret_that_is_incomplete_is_told_with_what_it_lacks(scene: Scene, left_out: str) -> None:
    """A value that is there is not enough, an empty one counts as none."""
    values = {USER_KEY: CREDENTIALS.user, PASSWORD_KEY: CREDENTIALS.password}
    scene.put_secret_data("rpc", values | {left_out: ""})
    await scene.running(1, secret="rpc")
    assert scene.condition("CredentialsAvailable") == ("False", "SecretIncomplete")
    ((reason, message),) = scene.events("Warning")
    assert (reason, left_out in message) == ("SecretIncomplete", True)
    scene.put_secret_data("rpc", values)
    scene.nodes.accepted = CREDENTIALS
    await scene.world.advance(10)
    assert scene.condition("Available") == ("True", "NodesConnected")


async def test_another_secret_in_the_spec_is_used_at_once(scene: Scene) -> None:
    """The spec's change leads to a pass, and the pass reads the other secret."""
    scene.put_secret("rpc")
    scene.nodes.accepted = CREDENTIALS
    await scene.running(2, secret="rpc")
    scene.apply(2, secret="other")
    await scene.world.settle()
    assert scene.condition("CredentialsAvailable") == ("False", "SecretNotFound")
    (container,) = scene.statefulset.at("spec.template.spec.containers")
    assert container["envFrom"] == [{"secretRef": {"name": "other", "optional": True}}]


async def test_nodes_that_refuse_the_credentials_are_told_of_with_the_way_out(scene: Scene) -> None:
    """Nodes take a secret over when they start; one that was changed since is read again until both sides agree."""
    scene.put_secret("rpc", password="yesterday's")
    scene.nodes.accepted = CREDENTIALS
    scene.apply(2, secret="rpc")
    await scene.world.settle()
    scene.run_pod(0)
    scene.run_pod(1)
    await scene.pass_time(1)
    assert scene.condition("Available") == ("False", "CredentialsRefused")
    ((reason, message),) = scene.events("Warning")
    assert reason == "CredentialsRefused"
    assert "net-sts-0, net-sts-1 refused" in message
    assert message.endswith("kubectl rollout restart statefulset net-sts")
    scene.put_secret("rpc")
    await scene.world.settle()
    assert scene.nodes.lists == mesh(2)
    assert scene.condition("Available") == ("True", "NodesConnected")


async def test_a_secret_that_may_not_be_read_is_told(scene: Scene) -> None:
    """A missing permission is an operator's to give: event, condition, and another look every ten seconds."""

    def refuse(action: Action) -> None:
        raise Forbidden('secrets "rpc" is forbidden')

    scene.world.clientset.add_reactor("get", SECRETS, refuse)
    await scene.running(1, secret="rpc")
    assert scene.condition("CredentialsAvailable") == ("False", "SecretForbidden")
    assert [reason for reason, _ in scene.events("Warning")] == ["SecretForbidden"]


async def test_a_secret_that_no_secret_can_be_called_is_told() -> None:
    """An older definition lets such a name through, and no server would understand it; it is not tried for ever."""
    metadata = ObjectMeta(name="net", namespace="demo")
    source = CredentialSource(FakeClientset().client)
    found = await source.read(BitcoinNetwork(metadata=metadata, spec=Spec(nodes=1, secret="../pods/a")))
    assert found == Trouble(Reason.SECRET_NOT_FOUND, "no secret can have the name '../pods/a'; correct spec.secret")


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        (None, "has no BC_RPC_USER and no BC_RPC_PASSWORD"),
        ({USER_KEY: b"an-unusual-user"}, "has no BC_RPC_PASSWORD"),
        ({USER_KEY: b"an-unusual-\xff", PASSWORD_KEY: b"x"}, "not text"),
        ({USER_KEY: b"an-unusual:user", PASSWORD_KEY: b"x"}, "colon"),
    ],
)
def test_a_secret_that_cannot_be_used_says_why_and_nothing_of_what_it_holds(
    data: dict[str, bytes] | None, fact: str
) -> None:
    """Names of keys may be told, their values not."""
    found = credentials_in(Secret(data), "rpc")
    assert isinstance(found, Trouble)
    assert found.reason is Reason.SECRET_INCOMPLETE
    assert fact in found.message
    assert "unusual" not in found.message


def test_no_picture_of_a_secret_shows_what_it_holds() -> None:
    """Neither a plain one nor the one rich tracebacks draw."""
    secret = Secret({USER_KEY: b"an-unusual-user"})
    assert "unusual" not in repr(secret) + str(secret) + pretty_repr(secret)


async def test_credentials_never_appear_in_logs_events_statuses_or_errors(
    scene: Scene, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through a life with a good secret, a refused one, silent nodes and an undecodable secret."""
    caplog.set_level(logging.DEBUG)
    raised: list[str] = []
    with structlog.testing.capture_logs() as logged:
        scene.put_secret("rpc")
        scene.nodes.accepted = CREDENTIALS
        await scene.running(3, secret="rpc")
        scene.nodes.silent = {address(1)}
        scene.put_secret("rpc", password="an-unusual-new-password")
        scene.run_pod(0, ip="10.0.9.9")
        await scene.pass_time(30)
        scene.nodes.accepted = DIFFERENT
        scene.nodes.silent = set()
        await scene.pass_time(30)
        scene.put_secret("rpc", user="an-unusual:user")
        await scene.pass_time(60)
        raised += ["".join(traceback.format_exception(line["exc_info"])) for line in logged if _raised(line)]
    assert len(logged) > 10
    written = [action.body for action in scene.world.clientset.actions if action.resource.plural != "secrets"]
    told = [logged, raised, caplog.text, *capsys.readouterr(), written, scene.network, scene.events()]
    encoded = CREDENTIALS.authorization().removeprefix("Basic ")
    assert "unusual" not in str(told)
    assert encoded not in str(told)


def _raised(line: MutableMapping[str, Any]) -> bool:
    return isinstance(line.get("exc_info"), BaseException)


async def test_no_secret_is_ever_written(scene: Scene) -> None:
    """The controller reads the one that is named, and no other."""
    scene.put_secret("rpc")
    scene.put_secret("other")
    scene.nodes.accepted = CREDENTIALS
    scene.apply(1, secret="rpc")
    await scene.world.settle()
    about_secrets = {str(a) for a in scene.world.clientset.actions if a.resource.identity == kinds.SECRETS.identity}
    assert about_secrets == {"get secrets demo/rpc"}
    assert Write("patch", kinds.SECRETS, "demo/rpc") not in scene.world.clientset.writes
