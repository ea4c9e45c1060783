"""A pod's service account: when it is taken, and what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog
import trustme
import yaml

from ctrlkit.errors import ConfigError
from ctrlkit.wire.config import load_endpoint


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pod without a kubeconfig; returns the folder of its account."""
    folder = tmp_path / "account"
    folder.mkdir()
    (folder / "token").write_text("t0ken\n")
    (folder / "ca.crt").write_bytes(trustme.CA().cert_pem.bytes())
    monkeypatch.setattr("ctrlkit.wire.config.identity.FOLDER", folder)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.mark.parametrize(("host", "server"), [("fd00::1", "https://[fd00::1]:443"), ("a.svc", "https://a.svc:443")])
@pytest.mark.usefixtures("pod")
async def test_the_address_may_be_of_any_kind(monkeypatch: pytest.MonkeyPatch, host: str, server: str) -> None:
    """An IPv6 address is put into brackets."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    assert (await load_endpoint()).server == server


@pytest.mark.usefixtures("pod")
async def test_a_user_without_home_and_account_has_the_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an image whose uid is chosen by the cluster."""

    def unknown(_uid: int) -> None:
        raise KeyError("getpwuid(): uid not found: 1000680000")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.delenv("HOME")
    endpoint = await load_endpoint()
    assert endpoint.server == "https://10.0.0.1:443"
    assert await endpoint.credentials.headers() == {"Authorization": "Bearer t0ken"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "apiVersion: v1\nkind: Config\nclusters: []\n"])
async def test_a_kubeconfig_that_says_nothing_is_none(pod: Path, text: str) -> None:
    """kubectl writes such files."""
    kubeconfig = pod.parent / ".kube/config"
    kubeconfig.parent.mkdir()
    kubeconfig.write_text(text)
    assert (await load_endpoint()).server == "https://10.0.0.1:443"
    with pytest.raises(ConfigError, match="there is no context x"):
        await load_endpoint(context="x")


@pytest.mark.usefixtures("pod")
async def test_files_of_the_environment_that_are_missing_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """They were meant for something."""
    monkeypatch.setenv("KUBECONFIG", "/missing/a:/missing/b")
    with structlog.testing.capture_logs() as logs:
        assert (await load_endpoint()).server == "https://10.0.0.1:443"
    assert [(each["event"], each["files"]) for each in logs] == [("kubeconfig_not_found", "/missing/a:/missing/b")]
    with pytest.raises(ConfigError, match="there is no such file; correct --kubeconfig"):
        await load_endpoint(kubeconfig="/missing/c")


async def test_a_kubeconfig_goes_before_it(pod: Path) -> None:
    """Whole: nothing of the pod's account is used."""
    kubeconfig = pod.parent / "config"
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://other.example"}}],
    }
    kubeconfig.write_text(yaml.safe_dump(config))
    endpoint = await load_endpoint(kubeconfig=str(kubeconfig))
    assert endpoint.server == "https://other.example"


@pytest.mark.parametrize("token", [b"", b"\n", b"a\nb", b"a\x00b", "té".encode(), b"\xff"])
async def test_a_token_that_cannot_be_sent_is_refused(pod: Path, token: bytes) -> None:
    """Before the HTTP library stumbles over it."""
    (pod / "token").write_bytes(token)
    with pytest.raises(ConfigError, match=f"read the service account: {pod}/token"):
        await load_endpoint()


async def test_a_cluster_may_have_no_authority_of_its_own(pod: Path) -> None:
    """Then the system's are trusted; a file that holds none is an error."""
    (pod / "ca.crt").unlink()
    assert (await load_endpoint()).tls is not None
    (pod / "ca.crt").write_text("")
    with pytest.raises(ConfigError, match="read the certificate authority of the service account: it has no"):
        await load_endpoint()
