"""Every way a kubeconfig or a pod says where the server is, and one clear line for every way it fails to."""

from __future__ import annotations

import asyncio
import base64
import io
import subprocess
import sys
import traceback
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import rich.console
import rich.traceback
import structlog
import yaml

from ctrlkit import clock
from ctrlkit.errors import ConfigError
from ctrlkit.wire.config import default_namespace, load_endpoint

SECRET = "s3cret-t0ken"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without kubeconfig, cluster and proxy."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "HTTPS_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def write(path: Path, user: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None) -> str:
    """A kubeconfig with two contexts, `main` the current one."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "main",
        "contexts": [
            {"name": "main", "context": {"cluster": "one", "user": "me", "namespace": "team"}},
            {"name": "other", "context": {"cluster": "two", "user": "me"}},
        ],
        "clusters": [
            {"name": "one", "cluster": {"server": "https://one.example:8001/", **(cluster or {})}},
            {"name": "two", "cluster": {"server": "https://two.example:8002"}},
        ],
        "users": [{"name": "me", "user": user if user is not None else {"token": SECRET}}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(config))
    return str(path)


def overwrite(path: str | Path, text: str) -> None:
    """Change a file behind the library's back."""
    Path(path).write_text(text)


def read(path: str) -> str:
    """A file's text."""
    return Path(path).read_text()


async def test_the_current_context_is_taken(tmp_path: Path) -> None:
    """Server and token come from it."""
    endpoint = await load_endpoint(kubeconfig=write(tmp_path / "config"))
    assert endpoint.server == "https://one.example:8001"
    assert await endpoint.credentials.headers() == {"Authorization": f"Bearer {SECRET}"}


async def test_a_named_context_is_taken(tmp_path: Path) -> None:
    """Whichever is the current one."""
    endpoint = await load_endpoint(kubeconfig=write(tmp_path / "config"), context="other")
    assert endpoint.server == "https://two.example:8002"


@pytest.mark.parametrize(("cluster", "compresses"), [({}, True), ({"disable-compression": True}, False)])
async def test_a_cluster_may_want_nothing_compressed(
    tmp_path: Path, cluster: dict[str, Any], *, compresses: bool
) -> None:
    """Answers are asked for in gzip unless its entry says otherwise."""
    endpoint = await load_endpoint(kubeconfig=write(tmp_path / "config", cluster=cluster))
    assert endpoint.compresses == compresses


async def test_the_file_given_goes_before_the_environment_before_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Explicit, then $KUBECONFIG, then ~/.kube/config."""
    write(tmp_path / "home/.kube/config", {"token": "home"})
    assert (await (await load_endpoint()).credentials.headers())["Authorization"] == "Bearer home"
    monkeypatch.setenv("KUBECONFIG", write(tmp_path / "env", {"token": "env"}))
    assert (await (await load_endpoint()).credentials.headers())["Authorization"] == "Bearer env"
    explicit = await load_endpoint(kubeconfig=write(tmp_path / "given", {"token": "given"}))
    assert (await explicit.credentials.headers())["Authorization"] == "Bearer given"


async def test_several_files_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$KUBECONFIG may name several, some of which do not exist."""
    context = {"name": "late", "context": {"cluster": "two", "user": "me"}}
    (tmp_path / "second").write_text(yaml.safe_dump({"contexts": [context]}))
    first = write(tmp_path / "first")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/missing:{first}:{tmp_path}/second")
    assert (await load_endpoint(context="late")).server == "https://two.example:8002"


async def test_a_token_file_is_read_and_read_again(tmp_path: Path) -> None:
    """Relative to the kubeconfig, without its newline; looked at every 10 s, so that nobody is refused first."""
    (tmp_path / "token").write_text("first\n")
    endpoint = await load_endpoint(kubeconfig=write(tmp_path / "config", {"tokenFile": "token"}))
    assert await endpoint.credentials.headers() == {"Authorization": "Bearer first"}
    (tmp_path / "token").write_text("second\n")
    assert await endpoint.credentials.headers() == {"Authorization": "Bearer first"}
    await asyncio.sleep(10)
    assert await endpoint.credentials.headers() == {"Authorization": "Bearer second"}


@pytest.mark.parametrize("broken", [None, "", "\n"], ids=["gone", "empty", "blank"])
async def test_a_token_file_that_says_nothing_changes_nothing(tmp_path: Path, broken: str | None) -> None:
    """As in the moment between two versions of it."""
    file = tmp_path / "token"
    file.write_text("first")
    endpoint = await load_endpoint(kubeconfig=write(tmp_path / "config", {"tokenFile": "token"}))
    file.unlink() if broken is None else file.write_text(broken)
    await asyncio.sleep(10)
    with structlog.testing.capture_logs() as logs:
        assert await endpoint.credentials.headers() == {"Authorization": "Bearer first"}
    assert logs == []
    file.write_text("second")
    await asyncio.sleep(10)
    assert await endpoint.credentials.headers() == {"Authorization": "Bearer second"}


async def test_a_refused_token_has_the_kubeconfig_read_again(tmp_path: Path) -> None:
    """Not more than every 10 s; a call that was begun with the old token may be repeated."""
    path = write(tmp_path / "config", {"token": "first"})
    endpoint = await load_endpoint(kubeconfig=path)
    write(tmp_path / "config", {"token": "second"})
    assert not endpoint.credentials.refused(clock.monotonic())
    await asyncio.sleep(10)
    assert await endpoint.credentials.headers() == {"Authorization": "Bearer first"}
    assert endpoint.credentials.refused(clock.monotonic())
    assert await endpoint.credentials.headers() == {"Authorization": "Bearer second"}
    assert not endpoint.credentials.refused(clock.monotonic())
    assert endpoint.credentials.refused(clock.monotonic() - 1), "a call that was begun with the first"


async def test_credentials_are_read_again_for_the_same_server_only(tmp_path: Path) -> None:
    """Whoever switches the current context, or moves it to another server, must not send one's token to the other."""
    path = write(tmp_path / "config", {"token": "first"})
    endpoint = await load_endpoint(kubeconfig=path)
    text = read(path)
    overwrite(path, text.replace("current-context: main", "current-context: other").replace("first", "second"))
    await asyncio.sleep(10)
    assert endpoint.credentials.refused(clock.monotonic())
    assert await endpoint.credentials.headers() == {"Authorization": "Bearer second"}, "of the context it began with"
    overwrite(path, text.replace("one.example", "three.example").replace("first", "third"))
    await asyncio.sleep(10)
    assert endpoint.credentials.refused(clock.monotonic())
    with structlog.testing.capture_logs() as logs:
        assert await endpoint.credentials.headers() == {"Authorization": "Bearer second"}
    assert "context main has another server by now" in logs[0]["error"]


async def test_credentials_that_cannot_be_renewed_go_on(tmp_path: Path) -> None:
    """A kubeconfig that is gone for a moment costs a warning, not the process."""
    path = write(tmp_path / "config")
    endpoint = await load_endpoint(kubeconfig=path)
    overwrite(path, "][")
    await asyncio.sleep(10)
    assert endpoint.credentials.refused(clock.monotonic())
    with structlog.testing.capture_logs() as logs:
        assert await endpoint.credentials.headers() == {"Authorization": f"Bearer {SECRET}"}
    assert [entry["event"] for entry in logs] == ["credentials_not_renewed"]


async def test_a_password_is_basic_authentication(tmp_path: Path) -> None:
    """Base64 of name and password."""
    endpoint = await load_endpoint(kubeconfig=write(tmp_path / "config", {"username": "me", "password": "pw"}))
    assert await endpoint.credentials.headers() == {"Authorization": "Basic bWU6cHc="}


async def test_nothing_secret_goes_to_a_server_without_tls(tmp_path: Path) -> None:
    """That is told once, however often the configuration is read; on whose behalf we ask is said all the same."""
    path = write(tmp_path / "config", {"token": SECRET, "as": "jane"}, {"server": "http://one.example:8001"})
    with structlog.testing.capture_logs() as logs:
        endpoint = await load_endpoint(kubeconfig=path)
        assert endpoint.tls is None
        assert await endpoint.credentials.headers() == {"Impersonate-User": "jane"}
        await asyncio.sleep(10)
        assert endpoint.credentials.refused(clock.monotonic())
        assert await endpoint.credentials.headers() == {"Impersonate-User": "jane"}
    assert [(each["event"], each["server"], each["user"]) for each in logs] == [
        ("credentials_withheld", "http://one.example:8001", "me")
    ]


async def test_a_user_that_is_not_there_is_nobody_and_told(tmp_path: Path) -> None:
    """As with kubectl; it is likely a slip of the pen."""
    path = write(tmp_path / "config")
    overwrite(path, read(path).replace("name: me", "name: you"))
    with structlog.testing.capture_logs() as logs:
        assert await (await load_endpoint(kubeconfig=path)).credentials.headers() == {}
    assert [(each["event"], each["context"], each["user"]) for each in logs] == [("user_not_found", "main", "me")]


@pytest.mark.parametrize("token", [b"a\nb", b"a\0b", "té".encode(), b"\xff"])
async def test_a_token_file_that_cannot_be_sent_is_told_and_tried_again(tmp_path: Path, token: bytes) -> None:
    """At the start it is an error; later a line each 10 s, while the old token goes on."""
    file = tmp_path / "token"
    file.write_bytes(token)
    path = write(tmp_path / "config", {"tokenFile": "token"})
    with pytest.raises(ConfigError, match=f"the tokenFile {file}"):
        await load_endpoint(kubeconfig=path)
    file.write_text("first")
    endpoint = await load_endpoint(kubeconfig=path)
    file.write_bytes(token)
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            await asyncio.sleep(10)
            assert await endpoint.credentials.headers() == {"Authorization": "Bearer first"}
    assert [each["event"] for each in logs] == ["credentials_not_renewed"] * 2
    file.write_text("second")
    await asyncio.sleep(10)
    assert await endpoint.credentials.headers() == {"Authorization": "Bearer second"}


async def test_no_user_at_all_is_anonymous(tmp_path: Path) -> None:
    """As on a proxied port."""
    endpoint = await load_endpoint(kubeconfig=write(tmp_path / "config", {}))
    assert await endpoint.credentials.headers() == {}


PLUGIN = """
import json, pathlib
count = pathlib.Path("{folder}/count")
count.write_text(str(int(count.read_text()) + 1 if count.exists() else 1))
status = {{"token": "t" + count.read_text(), "expirationTimestamp": "{expires}"}}
print(json.dumps({{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}}))
"""


def _plugin(folder: Path, code: str) -> dict[str, Any]:
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": ["-c", code]}
    return {"exec": {**command, "interactiveMode": "Never"}}


@pytest.mark.real_time
@pytest.mark.parametrize(("left", "second"), [(-1, "t2"), (30, "t2"), (600, "t1")])
async def test_a_plugin_is_run_again_a_minute_before_its_token_runs_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int, second: str
) -> None:
    """So that nobody is refused first; not for each call."""
    monkeypatch.setattr("ctrlkit.wire.config.credentials.RENEW_AGAIN_S", 0.0)
    expires = clock.timestamp(clock.now() + timedelta(seconds=left))
    user = _plugin(tmp_path, PLUGIN.format(folder=tmp_path, expires=expires))
    endpoint = await load_endpoint(kubeconfig=write(tmp_path / "config", user))
    assert await endpoint.credentials.headers() == {"Authorization": f"Bearer {second}"}


@pytest.mark.real_time
@pytest.mark.parametrize(
    ("code", "fact"),
    [
        ("import sys; sys.exit('log in first')", "log in first"),
        ("print('hello')", "decode"),
        ("print('{}')", "missing key"),
    ],
)
async def test_a_plugin_that_fails_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], code: str, fact: str
) -> None:
    """With its own words, cut, on one line; nothing else is printed."""
    path = write(tmp_path / "config", _plugin(tmp_path, code))
    with pytest.raises(ConfigError) as caught:
        await load_endpoint(kubeconfig=path)
    assert str(caught.value).startswith(f"read kubeconfig {path}: the credential plugin of the user failed: exec: ")
    assert fact in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.real_time
async def test_a_plugin_that_is_not_there_says_so(tmp_path: Path) -> None:
    """The command is named."""
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "no-such-plugin"}}
    with pytest.raises(ConfigError, match="no-such-plugin"):
        await load_endpoint(kubeconfig=write(tmp_path / "config", user))


def _broken(folder: Path) -> None:
    good = write(folder / "good")
    texts = {
        "not yaml": f"users: [{{token: {SECRET}\n}}}}]]",
        "a list": f"- token: {SECRET}",
        "empty": "",
        "a word": SECRET,
        "no contexts": "current-context: main",
        "no current context": Path(good).read_text().replace("current-context: main", ""),
        "no cluster": Path(good).read_text().replace("name: one", "name: won"),
        "no server": Path(good).read_text().replace("server:", "sever:"),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    "name",
    [
        "not yaml",
        "a list",
        "empty",
        "a word",
        "no contexts",
        "no current context",
        "no cluster",
        "no server",
    ],
)
async def test_a_file_that_is_no_kubeconfig_says_so(tmp_path: Path, name: str) -> None:
    """One line with the file and what to do, and nothing of what the file holds."""
    _broken(tmp_path)
    with pytest.raises(ConfigError) as caught:
        await load_endpoint(kubeconfig=str(tmp_path / name))
    text = str(caught.value)
    assert text.startswith(f"read kubeconfig {tmp_path / name}: ")
    assert "correct the file" in text
    assert "\n" not in text
    assert SECRET not in text


async def test_a_missing_file_says_who_named_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option or the variable."""
    missing = str(tmp_path / "missing")
    with pytest.raises(ConfigError, match=f"read kubeconfig {missing}: there is no such file; correct --kubeconfig"):
        await load_endpoint(kubeconfig=missing)
    monkeypatch.setenv("KUBECONFIG", missing)
    with pytest.raises(ConfigError, match="correct KUBECONFIG"):
        await load_endpoint()


async def test_an_unreadable_file_says_so(tmp_path: Path) -> None:
    """Here a folder."""
    with pytest.raises(ConfigError, match=f"read kubeconfig {tmp_path}: .*[Ii]s a directory"):
        await load_endpoint(kubeconfig=str(tmp_path))


async def test_an_unknown_context_names_those_there_are(tmp_path: Path) -> None:
    """So that the next try is right."""
    with pytest.raises(ConfigError, match=r"there is no context prod; use one of its contexts: main, other"):
        await load_endpoint(kubeconfig=write(tmp_path / "config"), context="prod")


async def test_outside_a_cluster_without_a_kubeconfig_says_both() -> None:
    """Nothing was found, and what to do."""
    with pytest.raises(ConfigError) as caught:
        await load_endpoint()
    assert str(caught.value) == (
        "find an API server: there is no ~/.kube/config, and this is no pod of a cluster "
        "(KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set); pass --kubeconfig or set KUBECONFIG"
    )


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The service account's mount and environment; returns the token's file."""
    trustme = pytest.importorskip("trustme")
    token = tmp_path / "token"
    token.write_text("first")
    (tmp_path / "namespace").write_text("team\n")
    (tmp_path / "ca.crt").write_bytes(trustme.CA().cert_pem.bytes())
    monkeypatch.setattr("ctrlkit.wire.config.identity.FOLDER", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    return token


async def test_a_pod_uses_its_service_account(pod: Path) -> None:
    """Server from the environment, token from the mount; the token's file is looked at every 10 s."""
    endpoint = await load_endpoint()
    assert endpoint.server == "https://10.0.0.1:443"
    assert endpoint.tls is not None
    assert await endpoint.credentials.headers() == {"Authorization": "Bearer first"}
    overwrite(pod, "second")
    assert await endpoint.credentials.headers() == {"Authorization": "Bearer first"}
    await asyncio.sleep(10)
    assert await endpoint.credentials.headers() == {"Authorization": "Bearer second"}


async def test_a_pod_without_its_token_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with automountServiceAccountToken: false."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    with pytest.raises(ConfigError, match="token file does not exist"):
        await load_endpoint()


@pytest.mark.parametrize(
    ("server", "bypass", "proxy"),
    [
        ("http://one.example:8001", "", "http://proxy.example:3128"),
        ("http://one.example:8001", "one.example", None),
        ("http://127.0.0.1:8001", "", None),
        ("http://localhost:8001", "", None),
    ],
)
async def test_proxies_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, bypass: str, proxy: str | None
) -> None:
    """But never to reach this machine; a kubeconfig's own proxy goes before."""
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", bypass)
    assert (await load_endpoint(kubeconfig=write(tmp_path / "config", cluster={"server": server}))).proxy == proxy
    own = write(tmp_path / "own", cluster={"server": server, "proxy-url": "http://own.example:1"})
    assert (await load_endpoint(kubeconfig=own)).proxy == "http://own.example:1"


@pytest.mark.parametrize(
    "server",
    [
        "https://127.0.0.1:99999",
        "https://host:abc",
        "https://[::1",
        "127.0.0.1:6443/x",
        "ftp://127.0.0.1:1",
        "http:///x",
    ],
)
async def test_a_server_that_is_no_url_says_so(tmp_path: Path, server: str) -> None:
    """Before anything is sent there, and with what to write instead."""
    path = write(tmp_path / "config", cluster={"server": server})
    with pytest.raises(ConfigError) as caught:
        await load_endpoint(kubeconfig=path)
    assert str(caught.value).startswith(f"read kubeconfig {path}: the context's cluster has a server that is no URL")
    assert "https://HOST:PORT" in str(caught.value)


@pytest.mark.parametrize("proxy", ["socks5://me:s3cret@proxy.example:1080", "http://me:s3cret@proxy.example:x"])
async def test_a_proxy_that_cannot_be_used_says_so(tmp_path: Path, proxy: str) -> None:
    """Without its password."""
    path = write(tmp_path / "config", cluster={"proxy-url": proxy})
    with pytest.raises(ConfigError, match=r"the proxy .* http://HOST:PORT") as caught:
        await load_endpoint(kubeconfig=path)
    assert "s3cret" not in str(caught.value)


async def test_a_proxy_without_a_scheme_speaks_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As other programs read the environment."""
    monkeypatch.setenv("http_proxy", "proxy.example:3128")
    monkeypatch.setenv("no_proxy", "")
    path = write(tmp_path / "config", cluster={"server": "http://one.example:8001"})
    assert (await load_endpoint(kubeconfig=path)).proxy == "http://proxy.example:3128"


def test_importing_the_wire_imports_neither_kubernetes_nor_yaml() -> None:
    """They cost half a second, which only those pay who load a configuration."""
    code = "import sys, ctrlkit.wire.transport, ctrlkit.wire.config, ctrlkit.client; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"kubernetes", "yaml", "pydantic"} & set(out.stdout.split())


def _shown(error: BaseException) -> str:
    """Tracebacks with local variables, by the standard library and by rich, which log libraries use."""
    out = io.StringIO()
    trace = rich.traceback.Traceback.from_exception(
        type(error), error, error.__traceback__, show_locals=True, locals_max_string=80, width=200
    )
    rich.console.Console(file=out, width=200).print(trace)
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()) + out.getvalue()


def _from_here(error: BaseException) -> BaseException:
    """Without the frame of the test itself, which has the secret."""
    assert error.__traceback__ is not None
    return error.with_traceback(error.__traceback__.tb_next)


PEM = "-----BEGIN PRIVATE KEY-----\n" + SECRET * 20 + "\n-----END PRIVATE KEY-----\n"


@pytest.mark.real_time
@pytest.mark.parametrize(
    "user",
    [
        {},
        {"token": f"{SECRET}\n"},
        {"tokenFile": "token", "token": SECRET, "password": SECRET},
        {"tokenFile": "token", "username": "me", "password": SECRET},
        {"tokenFile": "broken"},
        {"client-certificate-data": "bm9uZQ==", "client-key-data": base64.b64encode(PEM.encode()).decode()},
        {"token": SECRET, "as": "a\nb"},
        {"auth-provider": {"name": "oidc", "config": {"id-token": SECRET}}},
        _plugin(Path(), f'print(\'{{"token": "{SECRET}"}}\')'),
        {"exec": {**_plugin(Path(), "raise SystemExit")["exec"], "env": [{"name": "A", "value": SECRET}]}},
    ],
    ids=[
        *(
            "login",
            "break",
            "file and password",
            "file and name",
            "file",
            "certificate",
            "impersonation",
            "provider",
            "plugin",
        ),
        "variable",
    ],
)
async def test_no_error_shows_what_is_secret(tmp_path: Path, user: dict[str, Any]) -> None:
    """Neither its text, nor a traceback of whoever logs it with the values of variables."""
    (tmp_path / "token").write_text(SECRET)
    (tmp_path / "broken").write_text(f"{SECRET}\n{SECRET}")
    cluster = {"server": f"https://me:{SECRET}@one.example:x"} if not user else None
    path = write(tmp_path / "config", user, cluster)
    with pytest.raises(ConfigError) as caught:
        await load_endpoint(kubeconfig=path)
    assert "ConfigError" in _shown(caught.value)
    assert SECRET not in _shown(_from_here(caught.value))


@pytest.mark.parametrize(("context", "namespace"), [(None, "team"), ("other", "default"), ("absent", "default")])
def test_the_namespace_is_that_of_the_context(tmp_path: Path, context: str | None, namespace: str) -> None:
    """As kubectl's is, where none is named; a context that is not there is told by load_endpoint."""
    assert default_namespace(kubeconfig=write(tmp_path / "config"), context=context) == namespace


def test_without_a_context_the_namespace_is_that_of_the_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that is no pod it is `default`."""
    monkeypatch.setattr("ctrlkit.wire.config.loading.FOLDER", tmp_path)
    assert default_namespace() == "default"
    (tmp_path / "namespace").write_text("mine\n")
    assert default_namespace() == "mine"
