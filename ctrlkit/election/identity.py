"""Who a candidate is and where its Lease belongs, when nobody says so (row L16)."""

from __future__ import annotations

import platform
import uuid
from pathlib import Path
from typing import Final

from ctrlkit.errors import ConfigError

_NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def default_identity() -> str:
    """
    A name no other process has, this one's next start included: `hostname_uuid`.

    Two that run at once under one name would both believe to hold the lease. So a name that a restarted pod shares with
    the one before it, such as that of a StatefulSet's pod, is only safe where the old process has certainly ended.
    """
    return f"{platform.node()}_{uuid.uuid4()}"


def pod_namespace(file: Path = _NAMESPACE_FILE) -> str:
    """The namespace this process runs in, as its service account says; ConfigError outside a pod."""
    try:
        namespace = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(
            f"find the namespace for the lease: {file} cannot be read; say which namespace to use "
            f"[{error.strerror or type(error).__name__}]"
        ) from error
    if not namespace:
        raise ConfigError(f"find the namespace for the lease: {file} is empty; say which namespace to use")
    return namespace
