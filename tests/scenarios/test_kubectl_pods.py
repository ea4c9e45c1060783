"""kubectl talks to pods of the embedded API server: logs, exec, attach, port-forward, tokens, drain."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ctrlkit.client import Client
from ctrlkit.errors import NotFound
from ctrlkit.fakes.apiserver import ApiServer
from ctrlkit.fakes.cluster import Cluster, ImageRuntime
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model.kinds import NODES, PODS
from tests.scenarios.test_kubectl import DEADLINE_S, STATEFUL_SET, Kubectl
from tests.support.kubectl import needs_kubectl
from tests.support.pod_runtime import LINES, with_a_running_pod

pytestmark = [pytest.mark.real_time, needs_kubectl]


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[Kubectl, Tracker]]:
    """kubectl, and a server with one running pod."""
    tracker, _ = with_a_running_pod()
    async with ApiServer(tracker, tracker.registry).serve() as server:
        server.write_kubeconfig(folder / "kubeconfig")
        yield Kubectl(folder / "kubeconfig", folder), tracker


async def test_logs_commands_and_terminals(tmp_path: Path) -> None:
    """kubectl shows what the pod says, passes on its stdin, and ends as the command does."""
    async with served(tmp_path) as (kubectl, _):
        assert (await kubectl("logs", "p")).out == b"".join(LINES).decode()
        assert (await kubectl("logs", "p", "--tail=1", "-f")).out == "last"
        refused = await kubectl.try_to("logs", "p", "-c", "zz")
        assert (refused.status, refused.err) == (1, "error: container zz is not valid for pod p out of: main\n")
        assert (await kubectl("exec", "-i", "p", "--", "cat", stdin="hello")).out == "hello"
        failed = await kubectl.try_to("exec", "p", "--", "fail", "3")
        assert (failed.status, failed.out) == (3, "out\n")
        assert failed.err.splitlines() == ["err", "command terminated with exit code 3"]
        assert (await kubectl("attach", "p")).out == "attached\n"


async def test_ports_are_forwarded(tmp_path: Path) -> None:
    """Several connections through one kubectl, each with its own end."""
    async with served(tmp_path) as (kubectl, _), kubectl.running("port-forward", "p", ":80") as forwarding:
        assert forwarding.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            line = (await forwarding.stdout.readline()).decode()
            found = re.search(r"127\.0\.0\.1:(\d+) -> 80", line)
            assert found, line
            for word in (b"bye", b"good bye"):
                reader, writer = await asyncio.open_connection("127.0.0.1", int(found[1]))
                writer.write(word)
                assert await reader.read() == word.upper()
                writer.close()


async def test_a_token_is_made_and_taken(tmp_path: Path) -> None:
    """The server takes it for its service account, until that is gone."""
    async with served(tmp_path) as (kubectl, tracker):
        token = (await kubectl("create", "token", "bot", "--duration=10m")).out.strip()
        user = tracker.authenticate(token)
        assert user is not None
        assert user["username"] == "system:serviceaccount:default:bot"
        config = (tmp_path / "kubeconfig").read_text()
        (tmp_path / "as-bot").write_text(re.sub(r"token: \S+", f"token: {token}", config))
        bot = Kubectl(tmp_path / "as-bot", tmp_path)
        assert json.loads((await bot("get", "pod", "p", "-o", "json")).out)["metadata"]["name"] == "p"
        await kubectl("delete", "serviceaccount", "bot")
        assert "Unauthorized" in (await bot.try_to("get", "pod", "p")).err


async def test_a_node_is_drained(tmp_path: Path) -> None:
    """Its pods are evicted, and are gone for kubectl once their grace period is over."""
    async with served(tmp_path) as (kubectl, tracker):
        drained = await kubectl("drain", "n", "--force", "--grace-period=0", "--timeout=15s")
        assert "evicting pod default/p" in drained.err + drained.out
        assert tracker.get(NODES, "n").at("spec.unschedulable") is True
        with pytest.raises(NotFound):
            tracker.get(PODS, "default/p")


@pytest.mark.long
async def test_pods_move_from_a_drained_node_and_the_end_of_one_that_is_replaced_is_seen(tmp_path: Path) -> None:
    """kubectl returns from both, because pods take a moment to stop."""
    tracker = Tracker()
    async with (
        ApiServer(tracker, tracker.registry).serve() as server,
        ImageRuntime() as runtime,
        Cluster(Client(tracker), runtime, tracker=tracker, nodes=2, stop_s=1.0),
    ):
        server.write_kubeconfig(tmp_path / "kubeconfig")
        kubectl = Kubectl(tmp_path / "kubeconfig", tmp_path)
        await kubectl.create(STATEFUL_SET)
        await kubectl("wait", "statefulset/web", "--for=jsonpath={.status.readyReplicas}=2", "--timeout=15s")
        await kubectl("delete", "pod", "web-0", "--timeout=15s")
        await kubectl("wait", "pod/web-0", "--for=condition=Ready", "--timeout=15s")
        await kubectl("drain", "n1", "--timeout=15s")
        assert [line[1] for line in (await kubectl("get", "nodes", "--no-headers")).rows] == [
            "Ready,SchedulingDisabled",
            "Ready",
        ]
        await kubectl("wait", "statefulset/web", "--for=jsonpath={.status.readyReplicas}=2", "--timeout=15s")
        assert {pod.at("spec.nodeName") for pod in tracker.list(PODS)} == {"n2"}
        await kubectl("uncordon", "n1")
        assert not tracker.get(NODES, "n1").at("spec.unschedulable")
