"""The kubeconfig with which kubectl and ctrlkit find the server."""

from __future__ import annotations

import base64
import os
import tempfile
from pathlib import Path
from typing import Any

import yaml

from ctrlkit.fakes.apiserver.access import is_loopback

_NAME = "ctrlkit"


def kubeconfig_text(url: str, *, token: str | None = None, authority_pem: bytes | None = None) -> str:
    """
    One cluster, one user and the context of both, in the namespace default.

    >>> print(kubeconfig_text("https://127.0.0.1:6443", token="secret", authority_pem=b"PEM"))
    apiVersion: v1
    kind: Config
    clusters:
    - name: ctrlkit
      cluster:
        server: https://127.0.0.1:6443
        certificate-authority-data: UEVN
    users:
    - name: ctrlkit
      user:
        token: secret
    contexts:
    - name: ctrlkit
      context:
        cluster: ctrlkit
        user: ctrlkit
        namespace: default
    current-context: ctrlkit
    <BLANKLINE>
    """
    cluster = {"server": url}
    if authority_pem is not None:
        cluster["certificate-authority-data"] = base64.b64encode(authority_pem).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": _NAME, "cluster": cluster}],
        "users": [{"name": _NAME, "user": {"token": token} if token else {}}],
        "contexts": [{"name": _NAME, "context": {"cluster": _NAME, "user": _NAME, "namespace": "default"}}],
        "current-context": _NAME,
    }
    return yaml.safe_dump(config, sort_keys=False)


def is_of_a_server(text: str) -> bool:
    """
    Whether a file is empty, or a kubeconfig that leads to one of these servers and nowhere else, so that it may be
    written over.

    >>> old = kubeconfig_text("https://127.0.0.1:6443", token="old")
    >>> is_of_a_server(old), is_of_a_server(""), is_of_a_server(old.replace("127.0.0.1", "kube.example"))
    (True, True, False)
    """
    if not text.strip():
        return True
    try:
        config: Any = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        return False
    match config:
        case {
            "clusters": [{"name": cluster, "cluster": {"server": str(url)}}],
            "users": [{"name": user}],
            "contexts": [{"name": context}],
        } if cluster == user == context == _NAME:
            return is_loopback(url.removeprefix("https://").removeprefix("http://").rpartition(":")[0].strip("[]"))
    return False


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from its first moment; an older one of the name is replaced whole."""
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:64]}.")  # its name cannot be guessed
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise
