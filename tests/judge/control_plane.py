"""A real etcd and kube-apiserver on loopback, started and ended by a test."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import yaml

from tests.support.processes import process_of

ASSETS = os.environ.get("KUBEBUILDER_ASSETS", "")
TOKEN = "admin-token"  # of a server that lives for one test
READY_WITHIN_S = 90


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class ControlPlane:
    """
    Where a control plane lives: its folder, its ports and its kubeconfig. `run` may be entered again and again; each
    time it begins with an empty etcd, on the same port and with the same authority.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._api, self._etcd, self._peers = free_ports(3)
        self._starts = 0
        self.kubeconfig = folder / "kubeconfig"

    async def prepare(self) -> None:
        """Make keys, tokens and the kubeconfig."""
        key = self._folder / "sa.key"
        for command in (
            ("genrsa", "-out", str(key), "2048"),
            ("rsa", "-in", str(key), "-pubout", "-out", f"{key}.pub"),
        ):
            async with process_of("openssl", *command, env=dict(os.environ)) as openssl:
                assert await openssl.wait() == 0
        (self._folder / "tokens.csv").write_text(f'{TOKEN},admin,admin,"system:masters"\n')
        cluster = {"server": f"https://127.0.0.1:{self._api}", "insecure-skip-tls-verify": True}
        context = {"cluster": "real", "user": "admin"}
        self.kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "clusters": [{"name": "real", "cluster": cluster}],
                    "users": [{"name": "admin", "user": {"token": TOKEN}}],
                    "contexts": [{"name": "real", "context": context}],
                    "current-context": "real",
                }
            )
        )

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """A control plane that is ready, with its own namespaces and nothing else."""
        self._starts += 1
        etcd, url = f"http://127.0.0.1:{self._etcd}", f"http://127.0.0.1:{self._peers}"
        programs, folder, key = Path(ASSETS), self._folder, self._folder / "sa.key"
        store = [str(programs / "etcd"), f"--data-dir={folder / f'etcd-{self._starts}'}", "--unsafe-no-fsync"]
        store += [f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}", f"--listen-peer-urls={url}"]
        server = [str(programs / "kube-apiserver"), f"--etcd-servers={etcd}", f"--secure-port={self._api}"]
        server += [
            f"--cert-dir={folder / 'certs'}",
            f"--service-account-key-file={key}.pub",
            "--bind-address=127.0.0.1",
        ]
        server += [
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
        ]
        server += [f"--token-auth-file={folder / 'tokens.csv'}", "--authorization-mode=RBAC"]
        server += ["--service-cluster-ip-range=10.0.0.0/24", "--disable-admission-plugins=ServiceAccount"]
        async with self._program(*store), self._program(*server):
            await self._until_ready()
            yield

    @asynccontextmanager
    async def _program(self, path: str, *flags: str) -> AsyncIterator[None]:
        """A running program, whose log is in the folder; it is told to end, and awaited."""
        with (self._folder / f"{Path(path).name}-{self._starts}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(path, *flags, stdout=log, stderr=log, env={})
            try:
                yield
            finally:
                process.kill()
                await process.wait()

    async def _until_ready(self) -> None:
        unverified = ssl.create_default_context()
        unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with asyncio.timeout(READY_WITHIN_S), aiohttp.ClientSession(headers=headers) as session:
            while True:  # nothing tells from outside when it is ready
                try:
                    async with session.get(
                        f"https://127.0.0.1:{self._api}/api/v1/namespaces/default", ssl=unverified
                    ) as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.2)
