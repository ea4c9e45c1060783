"""
Find the API server and the credentials for it, as kubectl does: a kubeconfig or a pod's service account -> Endpoint.

    loading.py      load_endpoint, default_namespace: kubeconfig, else service account
    files.py        kubeconfig files, merged, and one context of them
    document.py     YAML as Go's libraries take it -> plain values
    entries.py      plain values -> clusters, users, contexts
    identity.py     a user or a service account -> headers and certificates
    plugin.py       credential plugins
    credentials.py  credentials that are read again when that is due
    tls.py          certificates -> a TLS context
    addresses.py    addresses of servers and proxies
"""

from __future__ import annotations

from ctrlkit.wire.config.loading import default_namespace, load_endpoint
from ctrlkit.wire.endpoint import Endpoint

__all__ = ["Endpoint", "default_namespace", "load_endpoint"]
