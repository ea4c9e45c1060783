"""Requests as nobody would send them, made of the API's kinds, verbs, paths, options and bodies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from ctrlkit.model import Action, Verb, custom_resource

DEFINITIONS = [
    {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.fuzz.example.com"},
        "spec": {
            "group": "fuzz.example.com",
            "scope": scope,
            "names": {"plural": plural, "kind": kind},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "subresources": {
                        "status": {},
                        "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"},
                    },
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
                }
            ],
        },
    }
    for plural, kind, scope, spec in (
        (
            "strict",
            "Strict",
            "Namespaced",
            {
                "type": "object",
                "properties": {
                    "size": {"type": "integer", "format": "int32", "minimum": 0, "default": 1},
                    "name": {"type": "string", "pattern": "^(a+)+$", "maxLength": 5},
                    "list": {
                        "type": "array",
                        "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}}},
                    },
                    "any": {"x-kubernetes-int-or-string": True},
                },
            },
        ),
        ("loose", "Loose", "Cluster", {"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
    )
]
"""Kinds that a server for such requests serves besides its own."""

_KINDS = (
    ("/api/v1", "v1", "ConfigMap", "configmaps", True),
    ("/api/v1", "v1", "Pod", "pods", True),
    ("/api/v1", "v1", "Service", "services", True),
    ("/api/v1", "v1", "Secret", "secrets", True),
    ("/api/v1", "v1", "Namespace", "namespaces", False),
    ("/api/v1", "v1", "Node", "nodes", False),
    ("/api/v1", "v1", "Event", "events", True),
    ("/api/v1", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", True),
    ("/api/v1", "v1", "Binding", "bindings", True),
    ("/apis/events.k8s.io/v1", "events.k8s.io/v1", "Event", "events", True),
    ("/apis/apps/v1", "apps/v1", "StatefulSet", "statefulsets", True),
    ("/apis/apps/v1", "apps/v1", "Deployment", "deployments", True),
    ("/apis/apps/v1", "apps/v1", "ControllerRevision", "controllerrevisions", True),
    ("/apis/coordination.k8s.io/v1", "coordination.k8s.io/v1", "Lease", "leases", True),
    ("/apis/rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", True),
    ("/apis/rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", False),
    (
        "/apis/apiextensions.k8s.io/v1",
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        False,
    ),
    ("/apis/fuzz.example.com/v1", "fuzz.example.com/v1", "Strict", "strict", True),
    ("/apis/fuzz.example.com/v1", "fuzz.example.com/v1", "Loose", "loose", False),
)
_POD = {
    "containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}], "resources": {"limits": {"cpu": "1"}}}]
}
_TEMPLATE = {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": _POD}}
_REST: dict[str, dict[str, Any]] = {
    "ConfigMap": {"data": {"a": "1"}},
    "Pod": {"spec": _POD},
    "Service": {"spec": {"type": "NodePort", "ports": [{"port": 80}], "selector": {"a": "b"}}},
    "Secret": {"stringData": {"a": "b"}},
    "StatefulSet": {"spec": {**_TEMPLATE, "serviceName": "s", "replicas": 3, "ordinals": {"start": 1}}},
    "Deployment": {"spec": _TEMPLATE},
    "ControllerRevision": {"revision": 1, "data": {"a": 1}},
    "Lease": {"spec": {"leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"}},
    "RoleBinding": {"roleRef": {"kind": "Role", "name": "r", "apiGroup": "rbac.authorization.k8s.io"}, "subjects": []},
    "ClusterRole": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    "PersistentVolumeClaim": {
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    },
    "Event": {"involvedObject": {"namespace": "default"}, "reason": "R", "count": 1},
    "Binding": {"target": {"kind": "Node", "name": "n"}},
    "CustomResourceDefinition": DEFINITIONS[0],
    "Strict": {"spec": {"size": 2, "name": "aa", "list": [{"k": "v"}], "any": 1}, "status": {"size": 1}},
    "Loose": {"spec": {"a": {"b": [1, 2, {"c": None}]}}},
}
_NAMES = ("a", "b", "c", "default", "kube-system", "A_b", "..", "%2e", "a%2Fb", "x" * 300, "ü", "", "0", "a.b")
_NUMBERS = (0, 1, -1, 3.0, 3.5, 2**31, 2**31 - 1, -(2**63), 2**63, 10**18, 10**30, 10**400, 1e308, True)
_WORDS = (
    "",
    "a",
    "0",
    "-1",
    "1e3",
    "1e999999999",
    "100m",
    "2026-01-01T00:00:00Z",
    "now",
    "\x00",
    "\n",
    "x" * 2000,
    "ü€𝄞",
)
_SCALARS = (*_NUMBERS, *_WORDS, None, False)
_FIELDS = (*_WORDS, "spec", "metadata", "name", "$patch", "a")
_SUBRESOURCES = ("", "", "", "status", "scale", "finalize", "binding", "bogus", "status/more")
_NAMESPACES = ("gone", "kube-public", "", "%00", "missing")
_DELETE_OPTIONS = ("gracePeriodSeconds", "propagationPolicy", "preconditions", "dryRun", "x")
_BODY_TYPES = ("application/yaml", "application/json", "text/plain", "", "application/apply-patch+yaml")
_METHODS = (
    "GET",
    "GET",
    "POST",
    "POST",
    "PUT",
    "PUT",
    "PATCH",
    "PATCH",
    "PATCH",
    "DELETE",
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "POST",
    "PUT",
    "HEAD",
    "OPTIONS",
    "BREW",
)
_PATCH_TYPES = ("json-patch+json", "merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml")
_QUERY: dict[str, tuple[str, ...]] = {
    "limit": ("0", "1", "-1", "abc", "9" * 30, "9" * 5000),
    "continue": (
        "",
        "x",
        "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhXHUwMDAwIn0",
        "eyJydiI6IjFlOTk5In0",
        "%F0",
    ),
    "resourceVersion": ("0", "1", "99999999", "abc", "-1", "9" * 5000, "%D9%A3"),
    "resourceVersionMatch": ("Exact", "NotOlderThan", "odd"),
    "labelSelector": (
        "a=b",
        "a in (b,c)",
        "!a",
        "a===",
        "(((",
        "a in (" + "b," * 500,
        "," * 1000,
        "a>" + "9" * 4000,
        "ü",
    ),
    "fieldSelector": ("metadata.name=a", "spec.nodeName!=", "bogus=1", "=", "a=b,c", "metadata.name=a," * 200),
    "timeoutSeconds": ("0", "1", "-1", "9" * 18, "9" * 19),
    "gracePeriodSeconds": ("0", "-5", "1" + "0" * 18, "1" + "0" * 30, "x"),
    "propagationPolicy": ("Orphan", "Foreground", "Background", "odd"),
    "dryRun": ("All", "odd", ""),
    "fieldManager": ("m", "", "x" * 200, "%00"),
    "fieldValidation": ("Strict", "Warn", "Ignore", "odd"),
    "force": ("true", "odd"),
    "sendInitialEvents": ("true", "false"),
    "allowWatchBookmarks": ("true",),
    "includeObject": ("None", "Object", "odd"),
}
_ACCEPTS = (
    "*/*",
    "application/json",
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
    "text/html",
    ";;;=",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
)
_PAGES = (
    "/",
    "/api",
    "/apis",
    "/version",
    "/healthz",
    "/openapi/v3",
    "/openapi/v3/api/v1",
    "/apis/apps",
    "/api/v1",
    "/metrics",
    "/%ff",
    "/api/v1/%2e%2e",
)
_RAW = (
    b"",
    b"{",
    b"null",
    b"[]",
    b'"',
    b"\xff\xfe",
    b'{"metadata":{"name":"\\ud800"}}',
    b'{"a":1e400}',
    b"[" * 20_000,
    b'{"a":' * 3_000 + b"1" + b"}" * 3_000,
    b"a: &a [*a]",
    b"a: b: c",
    b"- " * 11_000,
    b"!!python/object:os.system x",
    b"{a: .inf}",
    b"%TAG ! x\n---\n",
    b'{"kind":"List","items":[]}',
)


@dataclass(frozen=True)
class Asked:
    """One request: `body` is None where there is none."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None

    @property
    def streams(self) -> bool:
        """Whether it asks for a watch, whose answer may never end."""
        return "watch=" in self.path


def junk(chance: Random, depth: int = 2) -> Any:
    """Any value."""
    match chance.randrange(6 if depth else 4):
        case 4:
            return [junk(chance, depth - 1) for _ in range(chance.randrange(4))]
        case 5:
            return {chance.choice(_FIELDS): junk(chance, depth - 1) for _ in range(chance.randrange(4))}
    return chance.choice(_SCALARS)


def _object(chance: Random, api_version: str, kind: str, name: str) -> Any:
    """An object of a kind, in half of all cases with something in it replaced, missing or added."""
    metadata: dict[str, Any] = {"name": name, "labels": {"a": "b"}}
    if chance.random() < 0.2:
        metadata["finalizers"] = ["x.io/a"]
    body = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **_REST.get(kind, {})}
    body = json.loads(json.dumps(body))
    for _ in range(chance.choice((0, 0, 0, 1, 1, 2))):
        _spoil(chance, body)
    return body


def _spoil(chance: Random, value: Any) -> None:
    """Change one thing somewhere in a document."""
    while value and chance.random() < 0.9:
        key = chance.choice(list(value) if isinstance(value, dict) else range(len(value)))
        if not isinstance(value[key], (dict, list)) or chance.random() < 0.1:
            value[key] = junk(chance)
            return
        value = value[key]
    if isinstance(value, dict):
        value[chance.choice(("bogus", "spec", "status", "metadata", "kind", "items", "replicas", ""))] = junk(chance)
    else:
        value.append(junk(chance))


_POINTERS = (
    "",
    "/metadata/name",
    "/metadata/labels/b",
    "/spec",
    "/spec/replicas",
    "/data/a",
    "/metadata/finalizers/0",
    "/spec/list/-",
    "/spec/list/99999999999999999999",
    "/~2",
    "x",
)
_OPERATIONS = ("add", "add", "remove", "replace", "copy", "move", "test", "odd")


def _operation(chance: Random) -> dict[str, Any]:
    operation = {"op": chance.choice(_OPERATIONS), "path": chance.choice(_POINTERS), "value": junk(chance)}
    if chance.random() < 0.5:
        operation["from"] = chance.choice(_POINTERS)
    for name in list(operation):
        if chance.random() < 0.03:
            del operation[name]
    return operation


def first_objects() -> Iterator[Action]:
    """Creates of an object of each kind, all called `a`, so that requests find something."""
    for _, api_version, kind, plural, is_namespaced in _KINDS:
        if kind in ("Binding", "CustomResourceDefinition"):
            continue
        group, _, version = api_version.rpartition("/")
        body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}, **_REST.get(kind, {})}
        if group == "events.k8s.io":
            continue  # the same objects as those of the core group
        yield Action(
            verb=Verb.CREATE,
            resource=custom_resource(group=group, version=version, kind=kind, plural=plural),
            namespace="default" if is_namespaced else "",
            body=body,
        )


def batch_of(seed: int, count: int) -> list[Asked]:
    """So many requests, most of them near to ones that a client would send; the same ones for a seed."""
    chance = Random(seed)
    return [_request(chance) for _ in range(count)]


def _request(chance: Random) -> Asked:
    method, accept = chance.choice(_METHODS), chance.choice(_ACCEPTS) if chance.random() < 0.3 else "*/*"
    if chance.random() < 0.05:
        return Asked(method, chance.choice(_PAGES), {"Accept": accept})
    root, api_version, kind, plural, is_namespaced = chance.choice(_KINDS)
    name = chance.choice(_NAMES) if chance.random() < 0.1 else chance.choice("abc")
    path = root
    if is_namespaced and chance.random() < 0.95:
        path += f"/namespaces/{chance.choice(_NAMESPACES) if chance.random() < 0.1 else 'default'}"
    path += f"/{plural}"
    if method in ("PUT", "PATCH") or (method != "POST" and chance.random() < 0.6) or chance.random() < 0.05:
        path += f"/{name}"
        path = "/".join(filter(None, (path, chance.choice(_SUBRESOURCES))))
    query = [
        f"{one}={chance.choice(_QUERY[one])}" for one in chance.sample(sorted(_QUERY), chance.choice((0, 0, 1, 2)))
    ]
    if method == "GET" and chance.random() < 0.1:
        query.append("watch=true")
    headers = {"Accept": accept, "User-Agent": chance.choice(("kubectl/v1", "", "\xe9"))}
    body = _write(chance, method, (api_version, kind, name), headers)
    return Asked(method, f"{path}?{'&'.join(query)}" if query else path, headers, body)


def _write(chance: Random, method: str, what: tuple[str, str, str], headers: dict[str, str]) -> bytes | None:
    """A body for a method, and the header that says of what type it is."""
    if method not in ("POST", "PUT", "PATCH", "DELETE") or chance.random() < 0.05:
        return None
    headers["Content-Type"] = "application/json"
    if chance.random() < 0.08:
        headers["Content-Type"] = chance.choice(_BODY_TYPES)
        return chance.choice(_RAW)
    document: Any = _object(chance, *what)
    if method == "PATCH":
        patch_type = chance.choice(_PATCH_TYPES)
        headers["Content-Type"] = f"application/{patch_type}"
        if patch_type == "json-patch+json":
            document = [_operation(chance) for _ in range(chance.randrange(4))]
    elif method == "DELETE":
        document = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if chance.random() < 0.3:
            document[chance.choice(_DELETE_OPTIONS)] = junk(chance)
    return json.dumps(document).encode()


class Asker:
    """A client that speaks HTTP over one kept-alive connection, and so little of it that it can say anything."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        """Code, headers and body of the answer; of a watch that has begun, no body."""
        was_open = self._writer is not None
        try:
            return await self._ask(asked)
        except (ConnectionError, asyncio.IncompleteReadError):
            await self.close()
            if not was_open:
                raise
        return await self._ask(asked)  # the server had ended the kept-alive connection

    async def _ask(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self.host, self.port)
        assert self._reader is not None
        lines = [f"{asked.method} {asked.path.encode('ascii', 'ignore').decode()} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in asked.headers.items()]
        if asked.body is not None:
            lines.append(f"Content-Length: {len(asked.body)}")
        self._writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + (asked.body or b""))
        code, headers = await self._read_head(self._reader)
        body = b""
        if asked.streams and code == 200:
            await self.close()
        else:
            body = await self._read_body(self._reader, asked, headers)
            if headers.get("connection") == "close":
                await self.close()
        return code, headers, body

    async def _read_head(self, reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in head[1:] if line)
        return int(head[0].split()[1]), {name.lower(): value.strip() for name, _, value in pairs}

    async def _read_body(self, reader: asyncio.StreamReader, asked: Asked, headers: dict[str, str]) -> bytes:
        if asked.method == "HEAD":
            return b""
        return await reader.readexactly(int(headers.get("content-length", "0")))

    async def close(self) -> None:
        """End the connection; the next request opens another."""
        if self._writer is not None:
            self._writer.close()
            self._writer = self._reader = None
