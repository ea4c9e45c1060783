"""The kubeconfig with which kubectl and ctrlkit find the server."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

_NAME = "ctrlkit"


def kubeconfig_text(url: str, token: str | None) -> str:
    """
    One cluster, one user and the context of both, in the namespace default.

    >>> print(kubeconfig_text("http://127.0.0.1:8001", None))
    apiVersion: v1
    kind: Config
    clusters:
    - name: ctrlkit
      cluster:
        server: http://127.0.0.1:8001
    users:
    - name: ctrlkit
      user: {}
    contexts:
    - name: ctrlkit
      context:
        cluster: ctrlkit
        user: ctrlkit
        namespace: default
    current-context: ctrlkit
    <BLANKLINE>
    """
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": _NAME, "cluster": {"server": url}}],
        "users": [{"name": _NAME, "user": {"token": token} if token else {}}],
        "contexts": [{"name": _NAME, "context": {"cluster": _NAME, "user": _NAME, "namespace": "default"}}],
        "current-context": _NAME,
    }
    return yaml.safe_dump(config, sort_keys=False)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from its first moment; an older one of the name is replaced."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)
