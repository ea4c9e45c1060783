"""kubectl's commands for pods, on `ctrlkit apiserver` and on the demo's cluster: logs, exec, cp, debug, run, events."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ctrlkit.fakes.cluster.node.process import ProcessGuard
from tests.articles.reader import Reader
from tests.articles.servers import serving
from tests.scenarios.test_kubectl import DEADLINE_S, Kubectl
from tests.support.kubectl import needs_kubectl

pytestmark = [pytest.mark.long, pytest.mark.real_time, needs_kubectl]

_CLI = ("/usr/local/bin/bitcoin-cli", "-regtest", "-conf=/bitcoin.conf")
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"


@asynccontextmanager
async def a_cluster(server: str, folder: Path) -> AsyncIterator[Kubectl]:
    """kubectl on a cluster with nothing in it."""
    async with serving(server, folder) as kubeconfig:
        yield Kubectl(kubeconfig, folder)


async def test_bytes_of_a_container_that_has_a_secret_are_as_they_are(tmp_path: Path) -> None:
    """The value of a Secret in a longer word, in a file's name and content: logs, exec and cp leave it."""
    async with a_cluster("apiserver", tmp_path) as kubectl:
        await kubectl("create", "secret", "generic", "login", "--from-literal=user=app")
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "box"},
            "spec": {
                "containers": [
                    {
                        "name": "box",
                        "image": "busybox",
                        "command": ["sh", "-c", "echo $USER of application; sleep 3600"],
                        "env": [{"name": "USER", "valueFrom": {"secretKeyRef": {"name": "login", "key": "user"}}}],
                    }
                ]
            },
        }
        await kubectl("apply", "-f", "-", stdin=json.dumps(body))
        await kubectl("wait", "pod/box", "--for=condition=Ready", "--timeout=20s")
        (tmp_path / "app.log").write_text("my application\n")
        await kubectl("cp", str(tmp_path / "app.log"), "box:/tmp/app.log")
        assert (await kubectl("exec", "box", "--", "cat", "/tmp/app.log")).out == "my application\n"
        assert (await kubectl("logs", "box")).out == "app of application\n"
        await kubectl("cp", "box:/tmp/app.log", str(tmp_path / "back"))
        assert (tmp_path / "back").read_text() == "my application\n"


async def run(kubectl: Kubectl, name: str, image: str, script: str = "", *more: str) -> None:
    """Run a pod, and wait until it is ready unless it is to end."""
    await kubectl("run", name, f"--image={image}", *more, *(("--", "sh", "-c", script) if script else ()))
    if "--restart=Never" not in more:
        await kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=20s")


async def until_logged(kubectl: Kubectl, pod: str, text: str) -> str:
    """Read the log of a pod, with times, until it has a text."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            log = (await kubectl("logs", pod, "--timestamps")).out
            if text in log:
                return log
            await asyncio.sleep(0.2)


async def test_logs_are_kept_and_chosen(tmp_path: Path) -> None:
    """With times, since, tail and limit; of the run before; of ended pods; of many pods with their names."""
    async with a_cluster("apiserver", tmp_path) as kubectl:
        await run(kubectl, "web", "busybox", "echo one; echo two >&2; sleep 3600")
        assert (await kubectl("logs", "web")).out == "one\ntwo\n"
        assert re.fullmatch(f"{_TIME} two\n", (await kubectl("logs", "web", "--timestamps", "--tail=1")).out)
        assert (await kubectl("logs", "web", "--since=1h")).out == "one\ntwo\n"
        assert (await kubectl("logs", "web", "--since-time=2099-01-01T00:00:00Z")).out == ""
        assert (await kubectl("logs", "web", "--limit-bytes=5")).out == "one\nt"
        refused = await kubectl.try_to("logs", "web", "--previous")
        assert 'previous terminated container "web" in pod "web" not found' in refused.err

        await run(kubectl, "over", "busybox", "echo last words; exit 3", "--restart=Never")
        await kubectl("wait", "pod/over", "--for=jsonpath={.status.phase}=Failed", "--timeout=20s")
        assert (await kubectl("logs", "over", "-f")).out == "last words\n"

        await kubectl("run", "again", "--image=busybox", "--", "sh", "-c", "echo run; sleep 1; exit 1")
        await kubectl(
            "wait", "pod/again", "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "--timeout=20s"
        )
        assert (await kubectl("logs", "again", "--previous")).out == "run\n"

        await kubectl(
            "create", "deployment", "d", "--image=busybox", "--replicas=2", "--", "sh", "-c", "echo d; sleep 60"
        )
        await kubectl("wait", "deployment/d", "--for=condition=Available", "--timeout=20s")
        lines = (await kubectl("logs", "-l", "app=d", "--all-containers", "--prefix")).out.splitlines()
        assert len(lines) == 2
        assert all(re.fullmatch(r"\[pod/d-\S+/busybox\] d", line) for line in lines)


async def test_commands_run_in_containers_and_stand_ins_say_what_they_are(tmp_path: Path) -> None:
    """exec, cp, debug, attach and run on images with a shell; status 126 and a sentence on an undeclared one."""
    async with a_cluster("apiserver", tmp_path) as kubectl:
        await run(kubectl, "box", "busybox", "echo up; sleep 3600")
        await run(kubectl, "web", "web:2")
        assert (
            await kubectl("exec", "box", "--", "sh", "-c", "echo $0 $((6 * 7)) > /tmp/f; cat /tmp/f")
        ).out == "sh 42\n"
        assert (await kubectl("exec", "-i", "box", "--", "cat", stdin="through")).out == "through"
        failed = await kubectl.try_to("exec", "box", "--", "sh", "-c", "curl web")
        assert (failed.status, "sh: curl: not found" in failed.err) == (127, True)
        assert (
            'exec: "curl": executable file not found in $PATH'
            in (await kubectl.try_to("exec", "box", "--", "curl")).err
        )

        nothing = await kubectl.try_to("exec", "web", "--", "ls")
        assert nothing.status == 126
        assert 'Image "web:2" is not declared' in nothing.err
        assert 'Image "web:2" is not declared' in (await kubectl("logs", "web")).out
        assert "StandIn" in (await kubectl("events", "--for", "pod/web")).out

        (tmp_path / "there").write_text("content\n")
        await kubectl("cp", str(tmp_path / "there"), "box:/tmp/copy")
        await kubectl("cp", "box:/tmp/copy", str(tmp_path / "back"))
        assert (tmp_path / "back").read_text() == "content\n"
        assert (await kubectl.try_to("cp", "web:/x", str(tmp_path / "none"))).status == 126

        ran = await kubectl(
            "run",
            "-i",
            "--rm",
            "--restart=Never",
            "t",
            "--image=busybox",
            "--",
            "sh",
            "-c",
            "cat; echo over",
            stdin="typed\n",
        )
        assert ran.out.startswith("typed\nover\n")
        assert (await kubectl.try_to("get", "pod", "t")).status == 1
        ended = await kubectl.try_to(
            "run", "-i", "--restart=Never", "u", "--image=busybox", "--", "sh", "-c", "cat; exit 3", stdin="typed\n"
        )
        assert (ended.status, ended.out) == (3, "typed\n")
        assert "pod default/u terminated (Error)" in ended.err

        await kubectl("debug", "box", "--image=busybox", "-c", "dbg", "--", "sh", "-c", "echo looking; sleep 60")
        await kubectl(
            "wait",
            "pod/box",
            "--for=jsonpath={.status.ephemeralContainerStatuses[0].state.running.startedAt}",
            "--timeout=20s",
        )
        assert (await kubectl("logs", "box", "-c", "dbg")).out == "looking\n"
        top = await kubectl.try_to("top", "pod")
        assert (top.status, top.err) == (1, "error: Metrics API not available\n")


async def test_processes_have_logs_with_times_and_ports(tmp_path: Path) -> None:
    """A node of the demo: its log survives its restart, its RPC port is forwarded, commands have terminals."""
    async with a_cluster("demo", tmp_path) as kubectl:
        await run(kubectl, "node", "christianb93/bitcoind:v1.0")
        log = await until_logged(kubectl, "node", "init message: Done loading")
        assert all(re.match(f"{_TIME} ", line) for line in log.splitlines())
        async with kubectl.running("port-forward", "node", ":18332") as forwarding:
            assert forwarding.stdout is not None
            found = re.search(r"127\.0\.0\.1:(\d+) -> 18332", (await forwarding.stdout.readline()).decode())
            assert found is not None
            answers, writer = await asyncio.open_connection("127.0.0.1", int(found[1]))
            writer.write(b"POST / HTTP/1.0\r\n\r\n")
            assert b" 401 " in await answers.readline()
            writer.close()
        mined = await kubectl("exec", "-i", "node", "--", *_CLI, "generate", "2")
        assert len(json.loads(mined.out)) == 2
        window = tmp_path / "window" / "folder"
        window.mkdir(parents=True)
        guard = ProcessGuard()
        try:
            async with Reader.at(guard, kubectl.kubeconfig, window) as reader:
                typed = f"kubectl exec -it node -- {' '.join(_CLI)} getblockcount"
                assert await reader.run(typed) == "2\n"
        finally:
            guard.close()
        await kubectl("exec", "node", "--", *_CLI, "stop")
        await kubectl(
            "wait", "pod/node", "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "--timeout=30s"
        )
        assert "UpdateTip" in (await kubectl("logs", "node", "--previous")).out
        assert "UpdateTip" not in (await kubectl("logs", "node")).out
