"""Admission of connections: what plug-ins see of a request to run a command, or to reach a port."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ctrlkit.fakes.tracker.admission import CONNECT, Attributes, admit_form
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.model import Action
from ctrlkit.wire.parameters import read_flag

_FORMS = {
    ("Pod", "attach"): "PodAttachOptions",
    ("Pod", "exec"): "PodExecOptions",
    ("Pod", "portforward"): "PodPortForwardOptions",
    ("Node", "proxy"): "NodeProxyOptions",
    ("Pod", "proxy"): "PodProxyOptions",
    ("Service", "proxy"): "ServiceProxyOptions",
}
_FLAGS = ("stdin", "stdout", "stderr", "tty")


def admit_connection(core: Core, served: Strategy, action: Action) -> None:
    """Let admission see the options of a connection. Errors: ApiError."""
    kind = ("", "v1", _FORMS[served.resource.kind, action.subresource])
    attributes = Attributes(served=served, action=action, operation=CONNECT, name=action.name, form=kind)
    admit_form(core, attributes, dict(_options(action)))


def _options(action: Action) -> Iterator[tuple[str, Any]]:
    given: dict[str, list[str]] = {}
    for name, value in action.options.parameters:
        given.setdefault(name, []).append(value)
    match action.subresource:
        case "exec" | "attach":
            flags = {name: read_flag(given[name][0]) for name in _FLAGS if name in given}
            yield from ((name, True) for name in _FLAGS if flags.get(name))
            if given.get("container", [""])[0]:
                yield "container", given["container"][0]
            if action.subresource == "exec" and "command" in given:
                yield "command", given["command"]
        case "portforward":
            ports = [int(port) for port in given.get("ports", ()) if port.isdecimal()]
            if ports:
                yield "ports", ports
        case "proxy":
            if given.get("path", [""])[0]:
                yield "path", given["path"][0]
