"""
A real etcd and kube-apiserver on loopback, as envtest starts them: no controllers, no nodes, and gone with the test.

The programs are those of a folder: `$KUBEBUILDER_ASSETS`, which setup-envtest prints, or any that has both.
"""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ctrlkit.errors import CtrlkitError
from ctrlkit.fakes.apiserver.certificates import Authority
from ctrlkit.fakes.apiserver.kubeconfig import kubeconfig_text
from ctrlkit.fakes.cluster.node.process import ProcessGuard, start_guarded

ASSETS = "KUBEBUILDER_ASSETS"
_PROGRAMS = ("etcd", "kube-apiserver")
_READY_WITHIN_S = 120.0
_POLL_S = 0.1
_STOP_WITHIN_S = 10.0
_LOG_LINES = 8
_TRIES = 3
"""How often it is started if another program takes one of its ports in between."""


class NoControlPlane(CtrlkitError):
    """A real control plane cannot be started; the message says what is missing, or how its programs ended."""


def programs(folder: str | os.PathLike[str] | None = None) -> Path:
    """
    Return the folder of etcd and kube-apiserver: the one that is named, or that of `$KUBEBUILDER_ASSETS`.

    Errors  NoControlPlane.
    """
    named = str(folder or os.environ.get(ASSETS, ""))
    missing = [name for name in _PROGRAMS if not named or not Path(named, name).is_file()]
    if missing:
        fact = f"{named} has no {' and no '.join(missing)}" if named else f"${ASSETS} is not set"
        raise NoControlPlane(
            f"start a real control plane: {fact}; set ${ASSETS} to a folder with etcd and kube-apiserver, such as "
            "`setup-envtest use -p path` prints"
        )
    return Path(named)


class ControlPlane:
    """
    A real API server with an empty etcd.

    Shape   `with ControlPlane() as plane: connect(kubeconfig=plane.kubeconfig)`. Its user may do everything. As with
            envtest, the admission plug-in ServiceAccount is off, because no controller makes service accounts. `flags`
            are added to kube-apiserver's.
    Errors  NoControlPlane on construction, if there are no programs, and on entering.
    Owner   The `with` block, whose end kills both programs and removes their files; so does the end of this process,
            even by SIGKILL. It blocks the thread while the programs start, some 5 to 20 s.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, *, flags: tuple[str, ...] = ()) -> None:
        self._programs = programs(folder)
        self._flags = flags
        self._running: list[subprocess.Popen[bytes]] = []
        self._starts = 0
        self.url: str = ""
        """Where the server listens: `https://127.0.0.1:PORT`."""
        self.kubeconfig: str = ""
        """The path of its kubeconfig."""

    def __enter__(self) -> Self:
        self._guard = ProcessGuard()
        self._files = self._guard.folder
        try:
            self._prepare()
            for last in (False,) * (_TRIES - 1) + (True,):
                if self._start(_free_port(), is_last_try=last):
                    return self
        except BaseException:
            self._remove()
            raise
        raise AssertionError("the last try returns or raises")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    @property
    def release(self) -> str:
        """The Kubernetes release of the programs, such as `1.36`."""
        said = subprocess.run(
            [str(self._programs / "kube-apiserver"), "--version"], capture_output=True, text=True, check=True
        )
        return ".".join(said.stdout.rpartition("v")[2].split(".")[:2])

    def restart_empty(self) -> None:
        """Start both programs again at the same address with an empty etcd: every object is lost."""
        self.stop()
        self._start(int(self.url.rpartition(":")[2]), is_last_try=True)

    def stop(self) -> None:
        """End both programs; `restart_empty` starts them again."""
        for process in reversed(self._running):
            process.kill()
        for process in self._running:
            process.wait(_STOP_WITHIN_S)
            self._guard.remove(process.pid)
        self._running.clear()

    def _prepare(self) -> None:
        """Write keys, certificates and tokens."""
        self._token = token_hex(16)
        self._authority = Authority()
        self._write("tokens.csv", f'{self._token},admin,admin,"system:masters"\n'.encode())
        self._write("server.pem", self._authority.server_pem("127.0.0.1"))
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._write("accounts.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self._write("accounts.pub", public)

    def _write(self, name: str, content: bytes) -> str:
        path = self._files / name
        path.write_bytes(content)
        path.chmod(0o600)
        return str(path)

    def _start(self, port: int, *, is_last_try: bool) -> bool:
        """Start both programs; return whether the server is ready, False if a port was taken."""
        self._starts += 1
        etcd, peers = (f"http://127.0.0.1:{_free_port()}" for _ in range(2))
        files = self._files
        self._run(
            "etcd",
            f"--data-dir={files / f'etcd-{self._starts}'}",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls={peers}",
            "--unsafe-no-fsync",
        )
        self._run(
            "kube-apiserver",
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--tls-cert-file={files / 'server.pem'}",
            f"--tls-private-key-file={files / 'server.pem'}",
            f"--cert-dir={files}",
            f"--token-auth-file={files / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={files / 'accounts.pub'}",
            f"--service-account-signing-key-file={files / 'accounts.key'}",
            "--disable-admission-plugins=ServiceAccount",
            "--allow-privileged",
            *self._flags,
        )
        self.url = f"https://127.0.0.1:{port}"
        if self._is_ready(is_last_try=is_last_try):
            config = kubeconfig_text(self.url, token=self._token, authority_pem=self._authority.pem)
            self.kubeconfig = self._write("kubeconfig", config.encode())
            return True
        self.stop()
        return False

    def _run(self, name: str, *flags: str) -> None:
        with self._log(name).open("wb") as log:
            command = [str(self._programs / name), *flags]
            environment = {"PATH": os.defpath}
            self._running.append(start_guarded(self._guard, command, environment=environment, output=log))

    def _log(self, name: str) -> Path:
        return self._files / f"{name}-{self._starts}.log"

    def _is_ready(self, *, is_last_try: bool) -> bool:
        """Ask until the server is ready. Errors: NoControlPlane if it does not become so, or a program ends."""
        trusted = ssl.create_default_context(cadata=self._authority.pem.decode())
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
        )
        request = urllib.request.Request(f"{self.url}/readyz", headers={"Authorization": f"Bearer {self._token}"})
        until = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < until:
            ended = [name for name, process in zip(_PROGRAMS, self._running, strict=True) if process.poll() is not None]
            if (
                ended
                and not is_last_try
                and "address already in use" in self._log(ended[0]).read_text(errors="replace")
            ):
                return False
            if ended:
                raise NoControlPlane(f"start a real control plane: {ended[0]} ended; {self._last_lines(ended[0])}")
            with suppress(urllib.error.URLError, OSError), opener.open(request, timeout=_POLL_S * 50) as answer:
                if answer.status == 200:
                    return True
            time.sleep(_POLL_S)  # nothing tells from outside when it is ready
        fact = f"it is not ready after {_READY_WITHIN_S:g} s; {self._last_lines('kube-apiserver')}"
        raise NoControlPlane(f"start a real control plane: {fact}")

    def _last_lines(self, name: str) -> str:
        lines = self._log(name).read_text(errors="replace").splitlines()[-_LOG_LINES:]
        return "its log ends with:\n" + "\n".join(lines)

    def _remove(self) -> None:
        self.stop()
        self._guard.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port
