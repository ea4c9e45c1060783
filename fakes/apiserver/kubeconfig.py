"""The kubeconfig of a server, for kubectl and ctrlkit."""

from __future__ import annotations

import base64
import http.client
import ssl
from typing import Any
from urllib.parse import urlsplit

import yaml

from ctrlkit.fakes.apiserver.access import is_local

_NAME = "ctrlkit"
_ANSWERS_WITHIN_S = 2.0


def kubeconfig_text(
    url: str, *, token: str | None = None, authority_pem: bytes | None = None, namespace: str = "default"
) -> str:
    """
    Return a kubeconfig with one cluster, one user and one context, in a namespace.

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
        "contexts": [{"name": _NAME, "context": {"cluster": _NAME, "user": _NAME, "namespace": namespace}}],
        "current-context": _NAME,
    }
    return yaml.safe_dump(config, sort_keys=False)


def is_our_kubeconfig(text: str) -> bool:
    """
    Whether a file is empty or a kubeconfig of such a server alone, so that it may be overwritten.

    >>> old = kubeconfig_text("https://127.0.0.1:6443", token="old")
    >>> is_our_kubeconfig(old), is_our_kubeconfig(""), is_our_kubeconfig(old.replace("127.0.0.1", "kube.example"))
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
            return is_local(url.removeprefix("https://").removeprefix("http://").rpartition(":")[0].strip("[]"))
    return False


def is_answered(text: str) -> bool:
    """
    Whether the very server of such a kubeconfig still runs, and not another one that listens there since.

    >>> is_answered(""), is_answered(kubeconfig_text("http://127.0.0.1:1"))
    (False, False)
    """
    try:
        cluster = yaml.safe_load(text)["clusters"][0]["cluster"]
        place, authority = urlsplit(cluster["server"]), cluster.get("certificate-authority-data")
        connection: http.client.HTTPConnection
        if authority:
            context = ssl.create_default_context(cadata=base64.b64decode(authority).decode())
            where = (place.hostname or "", place.port)
            connection = http.client.HTTPSConnection(*where, timeout=_ANSWERS_WITHIN_S, context=context)
        else:
            connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=_ANSWERS_WITHIN_S)
        try:
            connection.request("GET", "/version")
            answer = connection.getresponse().read()
        finally:
            connection.close()
    except (OSError, ValueError, LookupError, TypeError, http.client.HTTPException, yaml.YAMLError):
        return False
    return bool(authority) or b"gitVersion" in answer
