"""
Kubeconfigs, as data: what is written, what is asked for, and whether kubectl refuses.

In texts `{plain}`, `{tls}`, `{mutual}`, `{proxy}` and `{tls_proxy}` are the ports of a Site's doors, `{dir}` the folder
of the case; `{ca}`, `{cert}` and `{key}` are the authority and the client certificate, `{ca64}` and
so on as kubeconfigs carry them, `{certline}` as JSON does. Every folder has `ca.pem`, `me.pem` and `me.key`.
"""

from __future__ import annotations

import itertools
import json
import random
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Value = Any
V1 = "client.authentication.k8s.io/v1"
TLS = "https://127.0.0.1:{tls}"
PLAIN = "http://127.0.0.1:{plain}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """
    One way to be configured.

    Shape   `files` are texts, or values written as YAML. $KUBECONFIG is `config` beside them unless `env` says
            otherwise. `kubeconfig` and `context` are the options of that name.
    """

    name: str
    files: Mapping[str, Value]
    env: Mapping[str, str] = field(default_factory=dict)
    kubeconfig: str = ""
    context: str = ""
    refused: bool = False
    long: bool = False
    """Left to `make test-all`: others of its kind show the same, or a unit test does."""

    def __str__(self) -> str:
        return self.name


def config(
    cluster: Mapping[str, Value] | None = None, user: Mapping[str, Value] | None = None, **over: Value
) -> dict[str, Value]:
    """A kubeconfig with one context, over TLS and with a token unless told otherwise; None leaves a field out."""
    clusters = {"server": TLS, "certificate-authority": "ca.pem", **(cluster or {})}
    return {
        "current-context": "main",
        "contexts": [{"name": "main", "context": {"cluster": "one", "user": "me"}}],
        "clusters": [{"name": "one", "cluster": {key: each for key, each in clusters.items() if each is not None}}],
        "users": [{"name": "me", "user": {"token": "t0ken"} if user is None else user}],
        **{key.replace("_", "-"): value for key, value in over.items()},
    }


def plain(user: Mapping[str, Value] | None = None, cluster: Mapping[str, Value] | None = None) -> dict[str, Value]:
    """One without TLS."""
    return config({"server": PLAIN, "certificate-authority": None, **(cluster or {})}, user)


def plugin(status: object = None, *, text: str | None = None, **spec: Value) -> dict[str, Value]:
    """A user with a credential plugin that notes its request in the file `asked` and prints an answer."""
    version = spec.get("apiVersion", V1)
    answer = (
        text if text is not None else json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status})
    )
    script = f'printf %s "$KUBERNETES_EXEC_INFO" > {{dir}}/asked; printf %s {shlex.quote(answer)}'
    command = {"apiVersion": V1, "command": "/bin/sh", "args": ["-c", script], "interactiveMode": "Never"}
    return {"exec": {**command, **spec}}


CERTIFICATE = {"client-certificate": "me.pem", "client-key": "me.key"}
INLINE = {"client-certificate-data": "{cert64}", "client-key-data": "{key64}"}
ACTING = {
    "as": "jane",
    "as-uid": "u-1",
    "as-groups": ["dev", "ops", "ops"],
    "as-user-extra": {"scopes": ["a", "b"], "example.com/Team Ü%": ["x y"], "empty": []},
}


def generated() -> Iterator[Case]:
    """Servers, users, whom they act for and ways to the server, put together at random but always the same."""
    servers: dict[str, dict[str, Value]] = {
        "plain": {"server": PLAIN, "certificate-authority": None},
        "tls": {},
        "localhost": {"server": "https://localhost:{tls}"},
        "mutual": {"server": "https://127.0.0.1:{mutual}"},
        "inline-authority": {"certificate-authority": None, "certificate-authority-data": "{ca64}"},
        "prefix": {"server": "https://127.0.0.1:{tls}/k8s/clusters/c-1"},
        "insecure": {"certificate-authority": None, "insecure-skip-tls-verify": True},
        "server-name": {"server": "https://127.0.0.1:{mutual}", "tls-server-name": "cluster.example"},
    }
    users: dict[str, dict[str, Value]] = {
        "token": {"token": "t0ken"},
        "file": {"tokenFile": "token"},
        "password": {"username": "me", "password": "pä:ss"},
        "certificate": CERTIFICATE,
        "inline": INLINE,
        "certificate-and-token": {**CERTIFICATE, "token": "t0ken"},
        "plugin": plugin({"token": "from-plugin"}),
        "plugin-with-certificate": plugin({"clientCertificateData": "{certline}", "clientKeyData": "{keyline}"}),
    }
    acting: dict[str, dict[str, Value]] = {"": {}, "acting": {"as": "jane"}, "acting-as-all": ACTING}
    ways: dict[str, tuple[dict[str, Value], dict[str, str]]] = {
        "": ({}, {}),
        "proxy": ({"proxy-url": "http://127.0.0.1:{proxy}"}, {}),
        "proxy-with-password": ({"proxy-url": "http://me:p%40ss@127.0.0.1:{proxy}"}, {}),
        "tls-proxy": ({"proxy-url": "https://127.0.0.1:{tls_proxy}"}, {}),
        "proxies-of-environment": ({}, {"HTTPS_PROXY": "http://127.0.0.1:{proxy}"}),
    }
    for server, user, act, way in random.Random(36).sample(list(itertools.product(servers, users, acting, ways)), 64):
        if server == "plain" and way == "tls-proxy":
            continue  # the proxy's certificate would need an authority
        added, env = ways[way]
        yield Case(
            name="-".join(part for part in ("any", server, user, act, way) if part),
            files={
                "config": config({**servers[server], **added}, {**users[user], **acting[act]}),
                "token": "from-file\n",
            },
            env=env,
        )


def loading() -> Iterator[Case]:
    """Which files are read, and what they say together."""
    yield Case(
        name="one-file-asked-for-is-the-only-one",
        files={"config": config(user={"token": "other"}), "given": config()},
        kubeconfig="given",
    )
    yield Case(name="a-file-asked-for-must-exist", files={"config": config()}, kubeconfig="missing", refused=True)
    yield Case(
        name="the-home-folder-comes-last",
        files={"home/.kube/config": config({"certificate-authority": "../../ca.pem"})},
        env={"KUBECONFIG": ""},
    )
    two = {"a": config(), "b": config(user={"token": "second"}, current_context="other")}
    yield Case(
        name="missing-and-empty-names-are-passed-over",
        files=two,
        env={"KUBECONFIG": ":missing:a::{dir}/nowhere/at/all:b"},
    )
    yield Case(name="none-of-those-listed-exists", files={}, env={"KUBECONFIG": "x:y"}, refused=True)
    yield Case(name="the-first-current-context-counts", files=_staging_and_prod(), env={"KUBECONFIG": "staging:prod"})
    yield Case(name="whichever-is-first", files=_staging_and_prod(), env={"KUBECONFIG": "prod:staging"})
    yield Case(
        name="a-later-file-may-have-the-current-context",
        files={"a": config(current_context=""), "b": {"current-context": "main"}},
        env={"KUBECONFIG": "a:b"},
    )
    yield Case(
        name="an-entry-counts-whole-and-is-not-mixed",
        files={
            "a": {"users": [{"name": "me", "user": {"as": "jane"}}]},
            "b": plain({"token": "t", "as": "joe", "as-groups": ["g"]}),
        },
        env={"KUBECONFIG": "a:b"},
    )
    yield Case(
        name="entries-of-one-name-in-three-kinds",
        files={
            "a": {"clusters": [{"name": "one", "cluster": {"server": TLS, "certificate-authority": "sub/ca.pem"}}]},
            "b": config({"server": "https://127.0.0.1:1"}),
            "sub/ca.pem": "{ca}",
        },
        env={"KUBECONFIG": "a:b"},
    )
    yield Case(name="one-file-listed-twice", files={"a": config()}, env={"KUBECONFIG": "a:a"})
    yield Case(
        name="paths-are-beside-the-file-that-names-them",
        files={
            "one/config": {
                **config({"server": "https://127.0.0.1:{mutual}", "certificate-authority": "../ca.pem"}),
                "users": [],
            },
            "two/config": {"users": [{"name": "me", "user": {**CERTIFICATE, "tokenFile": "./t"}}]},
            "two/t": "beside-two",
            "two/me.pem": "{cert}",
            "two/me.key": "{key}",
        },
        env={"KUBECONFIG": "one/config:{dir}/two/config"},
    )
    yield Case(
        name="a-command-with-a-slash-is-beside-its-file",
        files={
            "one": {**config(), "users": []},
            "sub/two": {"users": [{"name": "me", "user": plugin({"token": "t"}, command="./bin/plugin", args=None)}]},
            "sub/bin/plugin": f'#!/bin/sh\necho \'{{"apiVersion":"{V1}","status":{{"token":"beside"}}}}\'\n',
        },
        env={"KUBECONFIG": "one:sub/two"},
    )
    yield Case(name="an-absolute-path", files={"config": config({"certificate-authority": "{dir}/ca.pem"})})
    yield Case(name="a-folder", files={"config/x": ""}, refused=True)
    yield Case(name="a-broken-file-among-good-ones", files={**two, "c": "]["}, env={"KUBECONFIG": "a:c"}, refused=True)
    yield Case(
        name="an-entry-of-another-file-that-does-not-fit",
        files={"a": config(), "b": {"users": [{"name": "x", "user": {"token": 12}}]}},
        env={"KUBECONFIG": "a:b"},
        refused=True,
    )
    yield Case(name="an-empty-file-among-others", files={"a": "", "b": config()}, env={"KUBECONFIG": "a:b"})
    yield Case(name="a-file-with-remarks-alone", files={"config": "# nothing\n"}, refused=True)
    yield Case(name="an-empty-file", files={"config": ""}, refused=True)
    yield Case(name="no-current-context", files={"config": config(current_context="")}, refused=True)
    yield Case(name="a-current-context-that-is-not-there", files={"config": config(current_context="x")}, refused=True)
    yield Case(name="a-context-asked-for", files={"config": _two_contexts()}, context="second")
    yield Case(name="a-context-asked-for-that-is-not-there", files={"config": config()}, context="x", refused=True)
    yield Case(name="a-context-with-a-cluster-that-is-not-there", files={"config": config(clusters=[])}, refused=True)
    yield Case(name="a-context-without-a-cluster", files={"config": _context(user="me")}, refused=True)
    yield Case(
        name="a-context-without-a-name", files={"config": config(current_context="", contexts=[None])}, refused=True
    )
    nameless = {"config": plain(), "more": {"contexts": [{"context": {"cluster": "one"}}]}}
    nameless["config"]["current-context"] = ""
    yield Case(name="a-context-of-no-name-is-the-default", files=nameless, env={"KUBECONFIG": "config:more"})


def _staging_and_prod() -> dict[str, Value]:
    return {
        name: {
            "current-context": name,
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "clusters": [{"name": name, "cluster": {"server": TLS, "certificate-authority": "ca.pem"}}],
            "users": [{"name": name, "user": {"token": name}}],
        }
        for name in ("staging", "prod")
    }


def _two_contexts() -> dict[str, Value]:
    more = config()
    more["contexts"].append({"name": "second", "context": {"cluster": "one", "user": "you"}})
    more["users"].append({"name": "you", "user": {"token": "of-the-second"}})
    return more


def _context(**context: Value) -> dict[str, Value]:
    return config(contexts=[{"name": "main", "context": context}])


def texts() -> Iterator[Case]:
    """What YAML says, and what a file must be."""
    base = json.dumps(config())
    yield Case(name="json", files={"config": base})
    yield Case(name="json-with-a-doubled-key", files={"config": base.replace('"token"', '"token": "a", "token"')})
    for name, token, refused in (
        ("a-date", "2020-01-01", False),
        ("an-hour", "1:30", False),
        ("a-number", "12", True),
        ("an-octal", "0800", True),
        ("a-quoted-number", '"12"', False),
        ("a-tagged-number", "!!str 12", False),
        ("a-truth", "yes", True),
        ("a-short-truth", "y", True),
        ("an-unknown-tag", "!mine t", False),
        ("binary", "!!binary dG9r", False),
        ("infinity", ".inf", True),
        ("half-a-number", "1e", False),
        ("text", "on-off", False),
        ("merge-sign", "<<", False),
    ):
        text = json.dumps(config()).replace('"t0ken"', token)
        yield Case(name=f"a-token-that-is-{name}", files={"config": text}, refused=refused)
    block = "- name: me\n  user: {token: t0ken}\n"
    head = json.dumps(config())[1:-1].partition(', "users"')[0]
    flow = "{" + head + ', "users": [{"name": "me", "user": %s}]}'
    yield Case(name="an-anchor", files={"config": "{x: &a {token: b}, " + flow[1:] % "*a"})
    yield Case(name="a-merged-anchor", files={"config": "{x: &a {token: b}, " + flow[1:] % "{<<: *a, as: jane}"})
    yield Case(name="an-anchor-that-is-not-there", files={"config": flow % "*a"}, refused=True)
    yield Case(name="several-documents", files={"config": f"{base}\n---\n][\n"})
    yield Case(name="a-byte-order-mark", files={"config": f"\ufeff{base}"})
    yield Case(name="a-key-that-is-null", files={"config": flow % "{token: a, null: b}"}, refused=True)
    yield Case(name="keys-that-are-numbers", files={"config": flow % "{token: a, 1: b, yes: c}"})
    yield Case(
        name="extra-keys-that-are-numbers",
        files={"config": flow % "{token: a, as: j, as-user-extra: {1: [b], yes: [c]}}"},
    )
    yield Case(name="other-letters-are-other-fields", files={"config": config(user={"Token": "a", "token": "b"})})
    yield Case(name="unknown-fields", files={"config": config({"x": 1}, {"token": "b", "y": {"z": []}}, extra=[{}])})
    yield Case(
        name="nulls",
        files={
            "config": config(
                {"extensions": None, "tls-server-name": None},
                {"token": "a", "exec": None, "as": "joe", "as-groups": None, "as-user-extra": {"a": None, "b": [None]}},
                preferences=None,
                extensions=None,
            )
        },
    )
    yield Case(name="null-entries", files={"config": config(users=[None, {"name": "me", "user": {"token": "a"}}])})
    yield Case(name="a-null-group", files={"config": config(user={"token": "a", "as": "j", "as-groups": ["g", None]})})
    yield Case(
        name="preferences-and-extensions",
        files={"config": config(preferences={"colors": True}, extensions=[{"name": "x", "extension": {"a": 1}}])},
    )
    yield Case(name="a-name-twice", files={"config": config(users=yaml_twice())}, refused=True)
    yield Case(name="another-kind", files={"config": config(kind="Pod", apiVersion="v1")}, refused=True)
    yield Case(name="another-version", files={"config": config(kind="Config", apiVersion="v2")}, refused=True)
    yield Case(name="kind-and-version", files={"config": config(kind="Config", apiVersion="v1")})
    yield Case(name="a-list", files={"config": "[]"}, refused=True)
    yield Case(name="a-word", files={"config": "abc"}, refused=True)
    yield Case(
        name="a-group-that-is-no-list", files={"config": config(user={"as": "a", "as-groups": "b"})}, refused=True
    )
    yield Case(name="a-truth-that-is-text", files={"config": config({"disable-compression": "true"})}, refused=True)
    yield Case(name="block-style", files={"config": f"users:\n{block}" + _blocks()})


def yaml_twice() -> list[Value]:
    """Two users of one name."""
    return [{"name": "me", "user": {"token": "a"}}, {"name": "me", "user": {"token": "b"}}]


def _blocks() -> str:
    return (
        "current-context: main\ncontexts:\n- name: main\n  context:\n    cluster: one\n    user: me\n"
        "clusters:\n- name: one\n  cluster:\n    server: https://127.0.0.1:{tls}\n    certificate-authority: ca.pem\n"
    )


def clusters() -> Iterator[Case]:
    """Servers and how they are known."""
    for name, server, refused in (
        ("slash-at-the-end", TLS + "/", False),
        ("prefix-that-is-untidy", TLS + "/a//b/../c/", False),
        ("prefix-that-is-encoded", TLS + "/a%20b/%C3%BC", False),
        ("prefix-with-other-letters", TLS + "/a b/ü", False),
        ("query", TLS + "/x?y=z", False),
        ("scheme-in-capitals", "HTTPS://127.0.0.1:{tls}", False),
        ("empty-port", "https://127.0.0.1:", True),
        ("wrong-port", "https://127.0.0.1:x", True),
        ("port-too-large", "https://127.0.0.1:99999", True),
        ("no-host", "https:///x", True),
        ("other-scheme", "ftp://127.0.0.1:{plain}", True),
        ("space-in-front", " " + TLS, True),
        ("no-server", "", True),
        ("login-and-token", "https://me:pw@127.0.0.1:{tls}", False),
    ):
        yield Case(name=f"server-with-{name}", files={"config": config({"server": server})}, refused=refused)
    for name, server, refused in (
        ("no-scheme", "127.0.0.1:{plain}", False),
        ("no-scheme-but-a-name", "localhost:{plain}", False),
        ("no-scheme-and-a-slash", "127.0.0.1:{plain}/", False),
        ("no-scheme-and-a-path", "127.0.0.1:{plain}/x", True),
        ("ipv6", "http://[::1]:{plain}", False),
        ("login", "http://me:p%40w@127.0.0.1:{plain}", False),
        ("prefix", PLAIN + "/a/b", False),
    ):
        yield Case(
            name=f"plain-server-with-{name}", files={"config": plain(cluster={"server": server})}, refused=refused
        )
    yield Case(name="an-unknown-authority", files={"config": config({"certificate-authority": "me.pem"})}, refused=True)
    yield Case(
        name="an-authority-that-is-missing", files={"config": config({"certificate-authority": "x"})}, refused=True
    )
    yield Case(
        name="an-authority-that-is-missing-without-tls",
        files={"config": plain(cluster={"certificate-authority": "x"})},
        refused=True,
    )
    yield Case(
        name="an-authority-that-is-none", files={"config": config({"certificate-authority": "config"})}, refused=True
    )
    yield Case(name="no-authority", files={"config": config({"certificate-authority": None})}, refused=True)
    yield Case(
        name="an-authority-twice", files={"config": config({"certificate-authority-data": "{ca64}"})}, refused=True
    )
    broken = {"certificate-authority": None, "certificate-authority-data": "%%%"}
    yield Case(name="an-authority-that-is-no-base64", files={"config": config(broken)}, refused=True)
    folded = {"certificate-authority": None, "certificate-authority-data": "{ca64folded}"}
    yield Case(name="an-authority-in-folded-base64", files={"config": config(folded)})
    yield Case(
        name="an-authority-among-remarks-and-rubbish",
        files={
            "config": config({"certificate-authority": "many.pem"}),
            "many.pem": "# ürst\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n{cert}\n{ca}\n{ca}\n",
        },
    )
    yield Case(
        name="the-server's-own-certificate-as-authority",
        files={"config": config({"certificate-authority": "server.pem"}), "server.pem": "{server}"},
    )
    insecure = {"insecure-skip-tls-verify": True}
    yield Case(name="insecure-with-an-authority", files={"config": config(insecure)}, refused=True)
    yield Case(
        name="insecure-with-an-authority-without-tls",
        files={"config": plain(cluster={**insecure, "certificate-authority": "ca.pem"})},
    )
    yield Case(
        name="insecure-with-a-server-name",
        files={"config": config({**insecure, "certificate-authority": None, "tls-server-name": "x.example"})},
    )
    yield Case(name="a-wrong-server-name", files={"config": config({"tls-server-name": "x.example"})}, refused=True)
    yield Case(name="a-server-name-that-is-an-address", files={"config": config({"tls-server-name": "127.0.0.1"})})
    yield Case(name="no-compression", files={"config": config({"disable-compression": True})})


def users() -> Iterator[Case]:
    """Who we are."""
    for name, user, refused in (
        ("token-and-file", {"token": "a", "tokenFile": "token"}, False),
        ("token-and-missing-file", {"token": "a", "tokenFile": "missing"}, False),
        ("missing-token-file", {"tokenFile": "missing"}, True),
        ("empty-token-file", {"tokenFile": "empty"}, True),
        ("token-file-with-a-break-inside", {"tokenFile": "broken"}, True),
        ("token-with-spaces", {"token": " a "}, False),
        ("token-with-a-break", {"token": "a\n"}, True),
        ("token-and-password", {"token": "a", "username": "b", "password": "c"}, True),
        ("token-file-and-name", {"tokenFile": "token", "username": "b"}, True),
        ("name-without-password", {"username": "me"}, False),
        ("token-and-password-without-name", {"token": "a", "password": "c"}, True),
        ("certificate-without-key", {"client-certificate": "me.pem"}, True),
        ("key-without-certificate", {"token": "a", "client-key": "missing"}, False),
        ("certificate-twice", {**CERTIFICATE, "client-certificate-data": "{cert64}"}, True),
        ("key-twice", {**CERTIFICATE, "client-key-data": "{key64}"}, True),
        ("certificate-in-a-file-key-inline", {"client-certificate": "me.pem", "client-key-data": "{key64}"}, False),
        ("certificate-that-is-missing", {**CERTIFICATE, "client-key": "x"}, True),
        ("certificate-with-another-key", {**CERTIFICATE, "client-key": "other.key"}, True),
        ("certificate-and-password", {**CERTIFICATE, "username": "me", "password": "pw"}, False),
        ("groups-without-a-user", {"token": "a", "as-groups": ["x"]}, True),
        ("uid-without-a-user", {"token": "a", "as-uid": "x"}, True),
        ("extra-without-a-user", {"token": "a", "as-user-extra": {"x": ["y"]}}, True),
        ("user-with-other-letters", {"token": "a", "as": "jürgen"}, False),
        ("user-with-a-break", {"token": "a", "as": "x\ny"}, True),
        ("auth-provider", {"auth-provider": {"name": "gcp"}}, True),
        ("auth-provider-of-no-name", {"auth-provider": {}}, True),
        ("exec-and-auth-provider", {**plugin({"token": "t"}), "auth-provider": {"name": "oidc"}}, True),
    ):
        yield Case(
            name=f"user-with-{name}",
            files={
                "config": config({"server": "https://127.0.0.1:{mutual}"}, user),
                "token": "from-file\n",
                "empty": "\n",
                "broken": "a\nb",
                "other.key": "{otherkey}",
            },
            refused=refused,
        )
    yield Case(name="no-user-without-tls", files={"config": plain({})})
    yield Case(name="nothing-goes-out-without-tls", files={"config": plain({"token": "t", **CERTIFICATE, **ACTING})})
    yield Case(name="no-file-is-read-without-tls", files={"config": plain({"tokenFile": "missing"})})
    yield Case(name="no-plugin-runs-without-tls", files={"config": plain(plugin({"token": "t"}, command="missing"))})
    yield Case(
        name="an-auth-provider-without-tls", files={"config": plain({"auth-provider": {"name": "gcp"}, "as": "joe"})}
    )
    yield Case(name="faults-count-without-tls", files={"config": plain({"token": "t", "username": "u"})}, refused=True)
    context = {"contexts": [{"name": "main", "context": {"cluster": "one"}}]}
    yield Case(name="a-context-without-a-user", files={"config": {**plain(), **context}})
    context = {"contexts": [{"name": "main", "context": {"cluster": "one", "user": "gone"}}]}
    yield Case(name="a-user-that-is-not-there", files={"config": {**plain(), **context}})
    yield Case(name="a-user-without-a-body", files={"config": {**plain(), "users": [{"name": "me", "usr": {}}]}})
    yield Case(
        name="the-user-of-no-name",
        files={
            "config": config(
                users=[{"user": {"token": "nameless"}}], contexts=[{"name": "main", "context": {"cluster": "one"}}]
            )
        },
    )


def plugins() -> Iterator[Case]:
    """Credential plugins, what they are asked and what they answer."""
    good = {"token": "t0ken"}
    beta = f"{V1}beta1"
    for name, user, refused in (
        ("of-v1", plugin(good), False),
        ("of-v1-without-a-mode", plugin(good, interactiveMode=None), True),
        ("of-v1beta1-without-a-mode", plugin(good, apiVersion=beta, interactiveMode=None), False),
        ("of-v1alpha1", plugin(good, apiVersion=f"{V1}alpha1", interactiveMode=None), True),
        ("without-a-version", plugin(good, apiVersion=None), True),
        ("of-an-unknown-mode", plugin(good, interactiveMode="Sometimes"), True),
        ("that-wants-a-terminal", plugin(good, interactiveMode="Always"), True),
        ("that-takes-a-terminal", plugin(good, interactiveMode="IfAvailable"), False),
        ("without-a-command", plugin(good, command=None), True),
        ("that-is-not-on-the-path", plugin(good, command="no-such-plugin"), True),
        ("that-is-not-there", plugin(good, command="./no-such-plugin"), True),
        ("that-cannot-be-run", plugin(good, command="./config"), True),
        ("on-the-path", plugin(good, command="sh"), False),
        ("that-fails", plugin(good, args=["-c", "echo why >&2; exit 3"]), True),
        ("that-is-killed", plugin(good, args=["-c", "kill -9 $$"]), True),
        ("that-prints-nothing", plugin(text=""), True),
        ("that-prints-words", plugin(text="hello"), True),
        ("that-prints-words-behind", plugin(text=json.dumps({"apiVersion": V1, "status": good}) + " hello"), True),
        ("that-answers-in-yaml", plugin(text=f"apiVersion: {V1}\nstatus: {{token: t0ken}}"), False),
        ("that-answers-a-number", plugin(text=f"apiVersion: {V1}\nstatus: {{token: 12}}"), True),
        ("that-names-no-kind", plugin(text=json.dumps({"apiVersion": V1, "status": good})), False),
        ("that-names-another-kind", plugin(text=json.dumps({"apiVersion": V1, "kind": "X", "status": good})), True),
        ("that-names-no-version", plugin(text=json.dumps({"kind": "ExecCredential", "status": good})), True),
        ("that-names-another-version", plugin(text=json.dumps({"apiVersion": beta, "status": good})), True),
        ("without-a-status", plugin(text=json.dumps({"apiVersion": V1})), True),
        ("with-an-empty-status", plugin({}), True),
        ("with-a-null-token", plugin({"token": None}), True),
        ("with-half-a-certificate", plugin({"clientCertificateData": "{certline}"}), True),
        ("with-a-broken-certificate", plugin({"clientCertificateData": "x", "clientKeyData": "y"}), True),
        ("with-both", plugin({**good, "clientCertificateData": "{certline}", "clientKeyData": "{keyline}"}), False),
        ("with-a-time", plugin({**good, "expirationTimestamp": "2099-01-01T00:00:00.123456789+02:00"}), False),
        ("with-a-time-that-is-none", plugin({**good, "expirationTimestamp": "soon"}), True),
        ("with-a-time-in-small-letters", plugin({**good, "expirationTimestamp": "2099-01-01t00:00:00z"}), True),
        ("with-a-null-time", plugin({**good, "expirationTimestamp": None}), False),
        ("with-a-break-in-its-token", plugin({"token": "a\n"}), True),
        ("with-spaces-about-its-token", plugin({"token": " a "}), False),
        ("beside-a-token", {**plugin({"token": "unused"}, command="missing"), "token": "a"}, False),
        ("beside-a-password", {**plugin(good, command="missing"), "username": "me"}, False),
        ("beside-a-certificate", {**plugin(good, command="missing"), **CERTIFICATE}, False),
        ("with-a-variable-without-a-name", plugin(good, env=[{"value": "x"}]), True),
        ("for-whom-we-act", {**plugin(good), **ACTING}, False),
        (
            "with-variables",
            plugin(
                args=["-c", f'echo "{{\\"apiVersion\\":\\"{V1}\\",\\"status\\":{{\\"token\\":\\"$A$B$OURS\\"}}}}"'],
                env=[{"name": "A", "value": "a"}, {"name": "A", "value": "b"}, {"name": "B", "value": None}],
            ),
            False,
        ),
    ):
        yield Case(
            name=f"plugin-{name}",
            files={"config": config({"server": "https://127.0.0.1:{mutual}"}, user)},
            env={"OURS": "ours"},
            refused=refused,
        )
    extension = {"a": None, "b": [1.5, True, "x"], "c": {"d": 100000000000000000000}, "1": "yes"}
    extensions = [
        {"name": "other", "extension": 1},
        {"name": "client.authentication.k8s.io/exec", "extension": extension},
    ]
    for name, cluster, version in (
        ("all-of-the-cluster", {"extensions": extensions, "disable-compression": True}, V1),
        ("little-of-the-cluster", {}, beta),
        (
            "all-about-the-connection",
            {"tls-server-name": "cluster.example", "proxy-url": "http://me:pw@127.0.0.1:{proxy}"},
            V1,
        ),
        ("an-insecure-cluster", {"certificate-authority": None, "insecure-skip-tls-verify": True}, V1),
        ("an-inline-authority", {"certificate-authority": None, "certificate-authority-data": "{ca64}"}, V1),
    ):
        user = plugin(good, provideClusterInfo=True, apiVersion=version)
        yield Case(name=f"plugin-that-is-told-{name}", files={"config": config(cluster, user)})


def proxies() -> Iterator[Case]:
    """Ways to servers that no proxy may know of: 0.0.0.0 leads to this machine and is no loopback address."""
    proxy = "http://127.0.0.1:{proxy}"
    here = "0.0.0.0"
    for name, env, server in (
        ("for-https", {"HTTPS_PROXY": proxy}, "https://cluster.example:{tls}"),
        ("in-small-letters", {"https_proxy": proxy}, "https://cluster.example:{tls}"),
        (
            "in-both-letters",
            {"HTTPS_PROXY": proxy, "https_proxy": "http://127.0.0.1:1"},
            "https://cluster.example:{tls}",
        ),
        ("empty-and-small", {"HTTPS_PROXY": "", "https_proxy": proxy}, "https://cluster.example:{tls}"),
        ("without-a-scheme", {"HTTPS_PROXY": "127.0.0.1:{proxy}"}, "https://cluster.example:{tls}"),
        ("with-a-login", {"HTTPS_PROXY": "http://m%C3%A9:p@127.0.0.1:{proxy}"}, "https://cluster.example:{tls}"),
        ("over-tls", {"HTTPS_PROXY": "https://127.0.0.1:{tls_proxy}"}, "https://cluster.example:{tls}"),
        ("of-the-other-kind", {"HTTP_PROXY": proxy}, f"https://{here}:{{tls}}"),
        ("for-an-address", {"HTTPS_PROXY": proxy}, f"https://{here}:{{tls}}"),
        ("for-loopback", {"HTTPS_PROXY": proxy}, TLS),
        ("for-localhost", {"HTTPS_PROXY": proxy}, "https://localhost:{tls}"),
        ("but-a-network", {"HTTPS_PROXY": proxy, "NO_PROXY": "10.0.0.0/8, 0.0.0.0/8"}, f"https://{here}:{{tls}}"),
        ("but-other-networks", {"HTTPS_PROXY": proxy, "NO_PROXY": "10.0.0.0/8"}, f"https://{here}:{{tls}}"),
        ("but-an-address", {"HTTPS_PROXY": proxy, "no_proxy": "x,,0.0.0.0 ,"}, f"https://{here}:{{tls}}"),
        ("but-a-port", {"HTTPS_PROXY": proxy, "NO_PROXY": "0.0.0.0:{tls}"}, f"https://{here}:{{tls}}"),
        ("but-another-port", {"HTTPS_PROXY": proxy, "NO_PROXY": "0.0.0.0:1"}, f"https://{here}:{{tls}}"),
        ("but-all", {"HTTPS_PROXY": proxy, "NO_PROXY": "a.example, *"}, f"https://{here}:{{tls}}"),
        ("but-a-mask", {"HTTPS_PROXY": proxy, "NO_PROXY": "0.0.0.0/255.0.0.0"}, f"https://{here}:{{tls}}"),
        ("but-names-under-it", {"HTTPS_PROXY": proxy, "NO_PROXY": ".cluster.example"}, "https://cluster.example:{tls}"),
        ("but-a-longer-name", {"HTTPS_PROXY": proxy, "NO_PROXY": "r.example"}, "https://cluster.example:{tls}"),
        ("but-names-of-another-port", {"HTTPS_PROXY": proxy, "NO_PROXY": "example:1"}, "https://cluster.example:{tls}"),
    ):
        yield Case(name=f"proxy-{name}", files={"config": config({"server": server})}, env=env)
    for name, env, refused in (
        ("for-http", {"HTTP_PROXY": proxy}, False),
        ("in-cgi", {"HTTP_PROXY": proxy, "REQUEST_METHOD": "GET"}, True),
        ("but-no-http", {"HTTP_PROXY": proxy, "NO_PROXY": "0.0.0.0"}, False),
        ("of-https-for-http", {"HTTPS_PROXY": proxy}, False),
        ("with-a-login-for-http", {"http_proxy": "http://me:pw@127.0.0.1:{proxy}"}, False),
    ):
        files = {"config": plain({"as": "jane"}, {"server": f"http://{here}:{{plain}}"})}
        yield Case(name=f"proxy-{name}", files=files, env=env, refused=refused)
    yield Case(
        name="proxy-of-the-kubeconfig-before-that-of-the-environment",
        files={"config": config({"proxy-url": proxy})},
        env={"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "*"},
    )
    yield Case(
        name="proxy-url-without-a-scheme", files={"config": config({"proxy-url": "127.0.0.1:{proxy}"})}, refused=True
    )
    yield Case(name="proxy-url-with-a-name-alone", files={"config": config({"proxy-url": "proxy:1"})}, refused=True)
    yield Case(name="proxy-url-of-another-kind", files={"config": config({"proxy-url": "ftp://x:1"})}, refused=True)
    yield Case(
        name="proxy-that-does-not-answer", files={"config": config({"proxy-url": "http://127.0.0.1:1"})}, refused=True
    )


CASES = [
    *(replace(case, long=number >= 20) for number, case in enumerate(generated())),
    *(replace(case, long=True) for case in texts()),
    *loading(),
    *clusters(),
    *users(),
    *plugins(),
    *proxies(),
]


@dataclass(frozen=True, slots=True)
class Difference:
    """A case in which we differ on purpose; `why` is the beginning of its row in docs/deviations.md."""

    case: Case
    why: str


def differences() -> Iterator[Difference]:
    """The home folder is `home` in the case's own, unless the environment says otherwise."""
    at_home = config({"certificate-authority": "{dir}/ca.pem"})
    direct = {"config": config({"server": "https://0.0.0.0:{tls}"})}
    for name, why, files, env in (
        ("nobody-over-tls", "nobody over TLS", {"config": config(user={})}, {}),
        ("a-password-without-a-name", "nobody over TLS", {"config": config(user={"password": "pw"})}, {}),
        ("a-token-with-other-letters", "a token with other characters", {"config": config(user={"token": "é"})}, {}),
        (
            "a-proxy-that-is-no-url",
            "a proxy of the environment that is no URL",
            direct,
            {"HTTPS_PROXY": "http://[::1%zz"},
        ),
        ("the-old-place", "`~/.kube/.kubeconfig`", {"home/.kube/.kubeconfig": at_home}, {"KUBECONFIG": ""}),
        ("no-home", "without HOME", {".kube/config": config({"certificate-authority": "../ca.pem"})}, _HOMELESS),
        ("a-master", "KUBERNETES_MASTER", {"config": ""}, {"KUBERNETES_MASTER": PLAIN}),
    ):
        yield Difference(Case(name=name, files=files, env=env), why)


_HOMELESS = {"KUBECONFIG": "", "HOME": ""}
DIFFERENCES = [*differences()]
