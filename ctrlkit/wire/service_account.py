"""The service account of the pod this runs in: files that the kubelet keeps up to date, and two variables."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ctrlkit.wire.server import Server

FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class NotInPod(Exception):
    """There is no service account here; the text says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """Where its server is, and its files. A cluster without an authority of its own has no such file."""

    server: Server
    token: str
    authority: str | None

    @staticmethod
    def found() -> ServiceAccount:
        """That of this pod; NotInPod where there is none."""
        host, port = _address()
        token = FOLDER / "token"
        if not (host and port):
            raise NotInPod("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
        if not token.is_file():
            raise NotInPod(f"its token file does not exist: {token}")
        host = f"[{host}]" if ":" in host else host
        authority = FOLDER / "ca.crt"
        return ServiceAccount(
            server=Server(f"https://{host}:{port}"),
            token=str(token),
            authority=str(authority) if authority.exists() else None,
        )

    @staticmethod
    def namespace_of_pod() -> str:
        """The namespace this pod is in; empty outside of one."""
        try:
            ServiceAccount.found()
        except NotInPod:
            return ""
        return namespace()


def _address() -> tuple[str, str]:
    return os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "")


def namespace() -> str:
    """As the pod's environment says, else as its account does, else `default`."""
    try:
        told = (FOLDER / "namespace").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        told = ""
    return os.environ.get("POD_NAMESPACE") or told or "default"
