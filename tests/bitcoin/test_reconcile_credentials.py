"""Credentials come from the secret that is named, or from nowhere; and they are shown to nobody but the nodes."""

from __future__ import annotations

import logging
import traceback
from base64 import b64decode
from collections import Counter
from collections.abc import MutableMapping
from typing import Any

import pytest
import structlog
from rich.pretty import pretty_repr

from ctrlkit.bitcoin.credentials import PASSWORD_KEY, USER_KEY, CredentialStore, credentials_in
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, BitcoinNetwork, Spec
from ctrlkit.bitcoin.objects import SECRETS, Secret
from ctrlkit.bitcoin.reasons import Reason, Trouble
from ctrlkit.bitcoin.rpc import Credentials
from ctrlkit.errors import Forbidden
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.model import Action, ObjectMeta, Unstructured, Verb, kinds
from ctrlkit.model.kinds import PODS
from tests.bitcoin.scene import CREDENTIALS, Scene, node

DIFFERENT = Credentials(user="another-unusual-user", password="another-unusual-password")
MISSING = "secret rpc does not exist; create it, with BC_RPC_USER and BC_RPC_PASSWORD"


async def test_a_network_that_names_no_secret_gets_one_of_its_own(scene: Scene) -> None:
    """Its nodes accept what it holds, and no well-known credentials; the network owns it."""
    await scene.running(2)
    assert scene.condition("CredentialsAvailable") == ("True", "SecretGenerated")
    secret = scene.world.tracker.get(kinds.SECRETS, "demo/net-credentials")
    assert secret.metadata.is_controlled_by(scene.network.metadata)
    generated = {key: b64decode(value).decode() for key, value in secret["data"].items()}
    assert await scene.accept(Credentials(user=generated[USER_KEY], password=generated[PASSWORD_KEY])) == [True, True]
    assert await scene.accept(Credentials(user="user", password="password")) == [False, False]


async def test_a_network_that_names_a_secret_uses_what_it_holds(scene: Scene) -> None:
    """Its nodes accept nothing else, and no other Secret is made."""
    scene.put_secret("rpc")
    await scene.running(2, secret="rpc")
    assert await scene.accept(CREDENTIALS) == [True, True]
    assert scene.condition("CredentialsAvailable") == ("True", "SecretFound")
    assert [secret.key.name for secret in scene.world.tracker.list(kinds.SECRETS, "demo")] == ["net-config", "rpc"]


async def test_nodes_wait_for_a_secret_that_is_missing(scene: Scene) -> None:
    """Row B8: event and condition name it; no node starts with credentials that nobody chose."""
    scene.apply(2, secret="rpc")
    await scene.world.advance(100)
    assert scene.world.tracker.list(PODS, "demo") == []
    assert scene.condition("CredentialsAvailable") == ("False", "SecretNotFound")
    assert scene.message("CredentialsAvailable") == MISSING
    assert scene.condition("Available") == ("False", "CredentialsMissing")
    assert scene.events("Warning") == [("SecretNotFound", MISSING)]


async def test_a_secret_that_comes_later_is_found(scene: Scene) -> None:
    """Within ten seconds, although secrets are not watched; until then each look is a read and no write."""
    scene.apply(2, secret="rpc")
    await scene.world.settle()
    scene.world.clientset.clear_actions()
    await scene.world.advance(100)
    looks = Counter(str(action) for action in scene.world.clientset.actions)
    assert looks == {"get secrets demo/rpc": 10, "get secrets demo/net-config": 1}
    scene.put_secret("rpc")
    await scene.world.advance(10)
    await scene.run_pods()
    assert await scene.accept(CREDENTIALS) == [True, True]
    assert scene.condition("CredentialsAvailable") == ("True", "SecretFound")


async def test_nodes_go_on_when_their_secret_is_deleted(scene: Scene) -> None:
    """The credentials in force are the network's own; the lost Secret is told, and nothing else changes."""
    scene.put_secret("rpc")
    await scene.running(2, secret="rpc")
    scene.world.tracker.delete(kinds.SECRETS, "demo/rpc")
    await scene.world.advance(400)
    assert scene.condition("CredentialsAvailable") == ("False", "SecretNotFound")
    assert await scene.accept(CREDENTIALS) == [True, True]
    assert [node["state"] for node in scene.network.at("status.nodes")] == ["AtTip", "AtTip"]


@pytest.mark.parametrize("left_out", [USER_KEY, PASSWORD_KEY])
async def test_a_secret_that_is_incomplete_is_told_with_what_it_lacks(scene: Scene, left_out: str) -> None:
    """A value that is there is not enough, an empty one counts as none."""
    values = {USER_KEY: CREDENTIALS.user, PASSWORD_KEY: CREDENTIALS.password}
    scene.put_secret_data("rpc", values | {left_out: ""})
    scene.apply(1, secret="rpc")
    await scene.world.settle()
    assert scene.condition("CredentialsAvailable") == ("False", "SecretIncomplete")
    ((reason, message),) = scene.events("Warning")
    assert (reason, left_out in message) == ("SecretIncomplete", True)
    scene.put_secret_data("rpc", values)
    await scene.world.advance(10)
    await scene.run_pods()


async def test_another_secret_is_brought_in_by_two_rollouts(scene: Scene) -> None:
    """No node is made anew more than twice, and one at a time; the controller's calls are accepted all the time."""
    scene.put_secret("rpc")
    scene.put_secret("other", user=DIFFERENT.user, password=DIFFERENT.password)
    await scene.running(3, secret="rpc")
    scene.apply(3, secret="other")
    deleted = await scene.watch_rollout(600)
    assert max(Counter(name for _, name in deleted).values()) == 2
    assert "BadCredentials" not in {call.failure for call in scene.nodes.calls}
    assert await scene.accept(DIFFERENT) == [True, True, True]
    assert await scene.accept(CREDENTIALS) == [False, False, False]
    assert scene.condition("CredentialsAvailable") == ("True", "SecretFound")


async def test_a_secret_whose_values_change_is_brought_in_within_minutes(scene: Scene) -> None:
    """Secrets are not watched: it is read again every minute."""
    scene.put_secret("rpc")
    await scene.running(3, secret="rpc")
    scene.put_secret("rpc", password=DIFFERENT.password)
    await scene.watch_rollout(900)
    changed = Credentials(user=CREDENTIALS.user, password=DIFFERENT.password)
    assert await scene.accept(changed) == [True, True, True]


async def test_a_restart_in_the_middle_of_a_rotation_ends_alike(scene: Scene) -> None:
    """What has to last stands in the Secret NAME-config: a new controller goes on where the other ended."""
    scene.put_secret("rpc")
    scene.put_secret("other", user=DIFFERENT.user, password=DIFFERENT.password)
    await scene.running(3, secret="rpc")
    scene.apply(3, secret="other")
    deleted = []
    for _ in range(12):
        deleted += await scene.watch_rollout(20)
        await scene.world.crash(scene.manager)
        scene.start()
    deleted += await scene.watch_rollout(300)
    assert max(Counter(name for _, name in deleted).values()) == 2
    assert await scene.accept(DIFFERENT) == [True, True, True]


async def test_nodes_that_refuse_the_credentials_are_told_of_with_the_way_out(scene: Scene) -> None:
    """Somebody overwrote what the controller knows: no advice loses a chain."""
    await scene.running(2)
    for ordinal in range(2):
        scene.nodes.faults[node(ordinal)].wrong_credentials = True
    await scene.world.advance(120)
    assert scene.condition("Available") == ("False", "CredentialsRefused")
    ((reason, message),) = scene.events("Warning")
    assert reason == "CredentialsRefused"
    assert "net-sts-0, net-sts-1 refused" in message
    for ordinal in range(2):
        scene.nodes.faults[node(ordinal)].wrong_credentials = False
    await scene.world.advance(120)
    assert scene.condition("Available") == ("True", "NodesConnected")


async def test_a_secret_that_may_not_be_read_is_told(scene: Scene) -> None:
    """A missing permission is an operator's to give: event, condition, and another look every ten seconds."""

    def refuse(action: Action) -> None:
        if action.key.name == "rpc":
            raise Forbidden('secrets "rpc" is forbidden')

    scene.world.clientset.add_reactor("get", SECRETS, refuse)
    scene.apply(1, secret="rpc")
    await scene.world.settle()
    assert scene.condition("CredentialsAvailable") == ("False", "SecretForbidden")
    assert [reason for reason, _ in scene.events("Warning")] == ["SecretForbidden"]


async def test_a_secret_that_no_secret_can_be_called_is_told() -> None:
    """An older definition lets such a name through, and no server would understand it; it is not tried for ever."""
    metadata = ObjectMeta(name="net", namespace="demo")
    source = CredentialStore(FakeClientset().client)
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
    found = credentials_in(Secret(data=data), "rpc")
    assert isinstance(found, Trouble)
    assert found.reason is Reason.SECRET_INCOMPLETE
    assert fact in found.message
    assert "unusual" not in found.message


def test_no_picture_of_a_secret_shows_what_it_holds() -> None:
    """Neither a plain one nor the one rich tracebacks draw."""
    secret = Secret(data={USER_KEY: b"an-unusual-user"})
    assert "unusual" not in repr(secret) + str(secret) + pretty_repr(secret)


async def test_credentials_never_appear_in_logs_events_statuses_or_errors(
    scene: Scene, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through a life with a good secret, a refused one, silent nodes and an undecodable secret."""
    caplog.set_level(logging.DEBUG)
    raised: list[str] = []
    with structlog.testing.capture_logs() as logged:
        scene.put_secret("rpc")
        await scene.running(3, secret="rpc")
        scene.nodes.faults[node(1)].silent = True
        scene.put_secret("rpc", password="an-unusual-new-password")
        await scene.world.pass_time(400)
        scene.nodes.faults[node(1)].silent = False
        scene.nodes.faults[node(0)].wrong_credentials = True
        await scene.watch_rollout(400)
        scene.put_secret("rpc", user="an-unusual:user")
        await scene.world.pass_time(400)
        raised += ["".join(traceback.format_exception(line["exc_info"])) for line in logged if _raised(line)]
    assert len(logged) > 10
    written = [action.body for action in scene.world.clientset.actions if action.resource.plural != "secrets"]
    told = [logged, raised, caplog.text, *capsys.readouterr(), written, scene.network, scene.events()]
    encoded = CREDENTIALS.authorization().removeprefix("Basic ")
    assert "unusual" not in str(told)
    assert encoded not in str(told)


def _raised(line: MutableMapping[str, Any]) -> bool:
    return isinstance(line.get("exc_info"), BaseException)


async def test_a_secret_that_has_the_name_of_the_networks_own_is_left_and_told(scene: Scene) -> None:
    """No watch tells when it goes, so it is looked at again; then the network comes up."""
    scene.put_secret_data("net-config", {"theirs": "1"})
    scene.apply(2)
    await scene.world.advance(60)
    assert scene.condition("Available") == ("False", "NameTaken")
    assert [reason for reason, _ in scene.events("Warning")] == ["NameTaken"]
    assert scene.world.tracker.get(kinds.SECRETS, "demo/net-config")["data"] == {"theirs": "MQ=="}
    assert scene.world.tracker.list(PODS, "demo") == []
    scene.world.tracker.delete(kinds.SECRETS, "demo/net-config")
    await scene.world.advance(10)
    await scene.run_pods()


@pytest.mark.parametrize("spec", [{}, {"paused": True}, {"secret": "no-such-secret"}])
@pytest.mark.parametrize("edited", [{"auth": "rpcauth=somebody:x$zz"}, {"user": "new\n", "auth": "new:00$00"}])
async def test_what_somebody_writes_into_the_networks_own_secret_ends_no_pass(
    scene: Scene, spec: dict[str, Any], edited: dict[str, str]
) -> None:
    """Lines that are none are passed over, credentials that no node could have are made anew."""
    scene.put_secret("rpc")
    await scene.running(2, secret="rpc")
    scene.put_secret_data("net-config", edited)
    scene.apply(2, **{"secret": "rpc"} | spec)
    await scene.watch_rollout(400)
    assert scene.network.at("status.observedGeneration") == scene.network.metadata.generation
    scene.apply(2, secret="rpc", paused=False)
    await scene.watch_rollout(400)
    assert await scene.accept(CREDENTIALS) == [True, True]
    assert scene.condition("Available") == ("True", "NodesConnected")


async def test_a_secret_of_another_network_is_not_used(scene: Scene) -> None:
    """Who may write networks and no Secrets could have its password sent to a program of his own."""
    await scene.running(2)
    spec = {"nodes": 1, "secret": "net-credentials", "image": "evil.example/spy:1"}
    metadata = {"name": "evil", "namespace": "demo"}
    kind = {"apiVersion": BITCOIN_NETWORKS.api_version, "kind": BITCOIN_NETWORKS.kind}
    seed(scene.world.tracker, {**kind, "metadata": metadata, "spec": spec})
    await scene.world.advance(60)
    evil = scene.world.tracker.get(BITCOIN_NETWORKS.of(Unstructured), "demo/evil")
    told = {one["type"]: (one["reason"], one["message"]) for one in evil.at("status.conditions")}
    assert told["CredentialsAvailable"] == (
        "SecretForbidden",
        "secret net-credentials belongs to network net; make one for this network, and name it",
    )
    assert [pod.key.name for pod in scene.world.tracker.list(PODS, "demo")] == ["net-sts-0", "net-sts-1"]
    scene.apply(2, secret="net-credentials")
    await scene.world.advance(60)
    assert scene.condition("CredentialsAvailable") == ("True", "SecretFound")


async def test_of_secrets_only_the_networks_own_are_written(scene: Scene) -> None:
    """The controller reads the one that is named, and no other."""
    scene.put_secret("rpc")
    scene.put_secret("other")
    await scene.running(1, secret="rpc")
    await scene.world.advance(700)
    about = {a.key.name: a.verb for a in scene.world.clientset.actions if a.resource.identity == kinds.SECRETS.identity}
    assert about == {"rpc": Verb.GET, "net-config": Verb.GET}
