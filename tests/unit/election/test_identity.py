"""Names and namespaces that nobody gave."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from ctrlkit.election import default_identity, pod_namespace
from ctrlkit.errors import ConfigError


@pytest.mark.behaviour("L16")
def test_an_identity_tells_the_host_and_is_nobody_elses() -> None:
    """Not even that of the same host a moment later."""
    one, other = default_identity(), default_identity()
    assert one != other
    assert one.startswith(f"{platform.node()}_")


@pytest.mark.behaviour("L16")
def test_the_namespace_is_that_of_the_service_account(tmp_path: Path) -> None:
    """As the kubelet mounts it."""
    file = tmp_path / "namespace"
    file.write_text("demo\n")
    assert pod_namespace(file) == "demo"


@pytest.mark.behaviour("L16")
def test_outside_a_pod_the_namespace_has_to_be_given(tmp_path: Path) -> None:
    """The error says which file was looked for."""
    with pytest.raises(ConfigError, match="namespace cannot be read; say which namespace"):
        pod_namespace(tmp_path / "namespace")
    (tmp_path / "namespace").write_text("")
    with pytest.raises(ConfigError, match="is empty"):
        pod_namespace(tmp_path / "namespace")
