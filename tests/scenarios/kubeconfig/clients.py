"""kubectl and ctrlkit as clients of one Site, and what became of it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import textwrap
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest.mock import patch

import trustme
import yaml

from ctrlkit.errors import CtrlkitError
from ctrlkit.model import Action, Verb
from ctrlkit.model.kinds import NAMESPACES
from ctrlkit.wire.config import load_endpoint
from ctrlkit.wire.transport import RestTransport
from tests.scenarios.kubeconfig.cases import Case
from tests.scenarios.kubeconfig.recording import Seen, Site, authority, serving
from tests.support.kubectl import KUBECTL

PATH = "/api/v1/namespaces/x"
NOBODY = "http://127.0.0.1:1"
"""Where kubectl goes if nothing is configured, so that it meets nobody."""
COMPARED = ("authorization", "proxy-authorization", "host")
"""Of the headers these, and those that begin with `impersonate-`. User-Agent, Accept and kubectl's own may differ."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one client did. `said` is its error, `asked` what its credential plugin was told."""

    refused: bool
    seen: tuple[object, ...]
    asked: object
    said: str

    @property
    def compared(self) -> tuple[object, ...]:
        """What has to be the same."""
        return self.refused, self.seen, self.asked


@cache
def texts() -> Mapping[str, str]:
    """What stands for the names in a case's texts, beside ports and folder."""
    mine, other = authority().ca.issue_cert("me.example"), authority().ca.issue_cert("other.example")
    ca, cert, key = authority().ca.cert_pem, mine.cert_chain_pems[0], mine.private_key_pem
    server = authority().server.cert_chain_pems[0]
    inline = _inline(ca)
    return {
        "ca": _text(ca),
        "cert": _text(cert),
        "key": _text(key),
        "server": _text(server),
        "certline": json.dumps(_text(cert))[1:-1],
        "keyline": json.dumps(_text(key))[1:-1],
        "otherkey": _text(other.private_key_pem),
        "ca64": inline,
        "ca64folded": "\n".join(textwrap.wrap(inline, 64)),
        "cert64": _inline(cert),
        "key64": _inline(key),
    }


def _text(blob: trustme.Blob) -> str:
    return blob.bytes().decode()


def _inline(blob: trustme.Blob) -> str:
    return base64.b64encode(blob.bytes()).decode()


def prepare(case: Case, site: Site, folder: Path) -> dict[str, str]:
    """Write the case's files; returns the environment that a client gets."""
    filled = {"dir": str(folder), **{name: str(port) for name, port in site.ports.items()}, **texts()}

    def fill(value: object) -> object:
        match value:
            case str():
                for name, text in filled.items():
                    value = value.replace(f"{{{name}}}", text)
                return value
            case dict():
                return {key: fill(each) for key, each in value.items()}
            case list():
                return [fill(each) for each in value]
        return value

    (folder / "home").mkdir()
    for name, blob in (("ca.pem", "{ca}"), ("me.pem", "{cert}"), ("me.key", "{key}")):
        (folder / name).write_text(str(fill(blob)))
    for name, value in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = fill(value)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
        path.chmod(0o755 if "bin" in path.parts else 0o644)
    given = {"KUBECONFIG": "config", "KUBERNETES_MASTER": NOBODY, **case.env}
    return {
        "HOME": str(folder / "home"),
        "PATH": os.environ["PATH"],
        **{key: str(fill(each)) for key, each in given.items()},
    }


async def ask_kubectl(case: Case, folder: Path) -> Outcome:
    """One request by kubectl."""
    async with serving() as site:
        options = [
            f"--{name}={value}" for name, value in (("kubeconfig", case.kubeconfig), ("context", case.context)) if value
        ]
        command = [str(KUBECTL), "get", "--raw", PATH, "--cache-dir", str(folder / "cache"), *options]
        environment = prepare(case, site, folder)
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, env=environment, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
        )
        _, errors = await process.communicate()
        return _outcome(site, folder, process.returncode != 0, errors.decode())


async def ask_us(case: Case, folder: Path) -> Outcome:
    """One request by ctrlkit, in this process."""
    async with serving() as site:
        environment = prepare(case, site, folder)
        before = Path.cwd()
        os.chdir(folder)
        try:
            with patch.dict(os.environ, environment, clear=True):
                endpoint = await load_endpoint(kubeconfig=case.kubeconfig or None, context=case.context or None)
                async with RestTransport(endpoint) as transport:
                    await transport.do(Action(verb=Verb.GET, resource=NAMESPACES, name="x"))
        except CtrlkitError as error:
            return _outcome(site, folder, True, str(error))
        finally:
            os.chdir(before)
        return _outcome(site, folder, False, "")


def _outcome(site: Site, folder: Path, refused: bool, said: str) -> Outcome:
    asked = folder / "asked"
    request = site.template(asked.read_text()).replace(str(folder), "{dir}") if asked.exists() else "null"
    return Outcome(refused, tuple(_compared(seen, site) for seen in site.seen), json.loads(request), said)


def _compared(seen: Seen, site: Site) -> tuple[object, ...]:
    headers = sorted(
        (name, site.template(value))
        for name, value in seen.headers
        if name in COMPARED or name.startswith("impersonate-")
    )
    compressed = "gzip" in "".join(seen.header("accept-encoding")) and seen.method != "CONNECT"
    return seen.by, seen.method, site.template(seen.target), headers, seen.sni, seen.certificate, compressed
