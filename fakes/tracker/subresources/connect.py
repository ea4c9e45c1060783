"""
The subresources of pods that lead to their node: log, exec, attach, portforward.

The server checks the pod, its container and the options; what runs the pods answers. Without that a server answers as
one that cannot reach the kubelet.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

import msgspec

from ctrlkit import clock
from ctrlkit.errors import ApiError, StreamBroken
from ctrlkit.fakes.tracker.channels import Inputs, Pipe
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.refusals import Cause, bad_request, internal_error, invalid, plain_failure, upgrade_required
from ctrlkit.fakes.tracker.runtime import LogOptions, PodRef, PodRuntime, Streams
from ctrlkit.fakes.tracker.subresources.connecting import admit_connection
from ctrlkit.fakes.tracker.subresources.kubelets import Host, address_of
from ctrlkit.fakes.tracker.subresources.log_choice import asks_run_before
from ctrlkit.model import Action, custom_resource, kinds
from ctrlkit.model.streams import V4, V5, Channel, Connection
from ctrlkit.wire.parameters import read_flag, read_int64

_LOG_OPTIONS = custom_resource(group="", version="v1", kind="PodLogOptions", plural="podlogoptions")
_PORTS = range(1, 65536)
_SENT_TO_KUBELET = (("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty"))

Work = Callable[[Pipe, Inputs], Awaitable[None]]


class NoText:
    """The log of a pod that is on no node yet: no text at all, which HTTP answers with 204."""

    def __aiter__(self) -> NoText:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration


class Target(NamedTuple):
    """A container of a pod, and the node that it is on, "" for none."""

    pod: PodRef
    container: str
    node: str


# ---- logs ------------------------------------------------------------------------------------------------------------


async def read_log(core: Core, served: Strategy, action: Action) -> AsyncIterator[bytes]:
    """
    Return the log of a container in pieces.

    Errors  BadRequest, Invalid (the options), NotFound; those of the runtime.
    """
    given = _parameters(action)
    options = _log_options(action.name, given)
    target = _target(core, served, action, given.get("container", ("",))[0])
    if not target.node:
        return NoText()
    host = address_of(core, target.node, missing=kinds.PODS)
    if core.runtime is None:
        query = urlencode(sorted(_log_query(given)))
        path = f"/containerLogs/{target.pod.namespace}/{target.pod.name}/{target.container}{query and f'?{query}'}"
        raise plain_failure(f'Get "https://{host.authority}{path}": {host.failure}')
    is_before = asks_run_before(core.get(served, action.key).plain, target.container, previous=options.previous)
    return await core.runtime.logs(target.pod, target.container, replace(options, previous=is_before))


def _log_options(name: str, given: Mapping[str, Sequence[str]]) -> LogOptions:
    seconds = _number(given, "sinceSeconds")
    tail_lines, limit_bytes = _number(given, "tailLines"), _number(given, "limitBytes")
    since = _moment(given)
    causes = []
    if tail_lines is not None and tail_lines < 0:
        causes.append(Cause.wrong("tailLines", tail_lines, "must be greater than or equal to 0"))
    if limit_bytes is not None and limit_bytes < 1:
        causes.append(Cause.wrong("limitBytes", limit_bytes, "must be greater than 0"))
    if seconds is not None and since is not None:
        causes.append(Cause.forbidden("[]", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    elif seconds is not None and seconds < 1:
        causes.append(Cause.wrong("sinceSeconds", seconds, "must be greater than 0"))
    if "stream" in given:
        causes.append(Cause.forbidden("stream", "may not be specified"))
    if causes:
        raise invalid(_LOG_OPTIONS, name, *causes)
    if seconds is not None:
        since = clock.now() - timedelta(seconds=seconds)
    flags = {flag: _flag(given, flag) for flag in ("follow", "previous", "timestamps")}
    return LogOptions(**flags, since=since, tail_lines=tail_lines, limit_bytes=limit_bytes)


def _log_query(given: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """What a server sends on to the kubelet."""
    for name in ("follow", "previous", "timestamps"):
        if _flag(given, name):
            yield name, "true"
    for name in ("sinceSeconds", "sinceTime", "tailLines", "limitBytes"):
        if name in given:
            yield name, given[name][0]


def _number(given: Mapping[str, Sequence[str]], name: str) -> int | None:
    try:
        return read_int64(given[name][0]) if name in given else None
    except ValueError as error:
        raise bad_request(str(error)) from None


def _moment(given: Mapping[str, Sequence[str]]) -> datetime | None:
    text = given["sinceTime"][0] if "sinceTime" in given else None
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise bad_request(f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}" as "2006"')
    return moment


def _flag(given: Mapping[str, Sequence[str]], name: str) -> bool:
    return name in given and read_flag(given[name][0])


def refuse_plainly(core: Core, served: Strategy, action: Action) -> bytes:
    """Refuse a call by `Transport.do` of what is opened by `read` or `connect`, after the checks of those."""
    if action.subresource != "log":
        admit_connection(core, served, action)
    match action.subresource:
        case "log":
            raise bad_request("a log is text, which is read as a stream")
        case "portforward":
            pod = core.get(served, action.key)
            _host(core, action.name, pod.plain["spec"].get("nodeName") or "")
        case _:
            target = _target(core, served, action, _parameters(action).get("container", ("",))[0])
            _host(core, action.name, target.node)
    raise upgrade_required()


# ---- connections -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def connect(core: Core, served: Strategy, action: Action, protocols: Sequence[str]) -> AsyncIterator[Connection]:
    """
    Open a connection to a container or a port.

    Errors  BadRequest, NotFound; those of the runtime come through the connection.
    """
    protocol = _chosen(protocols)
    work = _ports_work(core, served, action) if action.subresource == "portforward" else None
    work = work or _command_work(core, served, action, protocol)
    ours, theirs = Pipe.pair(protocol)
    task = asyncio.create_task(_serve(work, ours), name=str(action))
    try:
        yield theirs
    finally:
        task.cancel()
        await asyncio.wait([task])


def _chosen(protocols: Sequence[str]) -> str:
    """Return the first protocol that is known. Errors: BadRequest."""
    for protocol in protocols:
        if protocol in (V5, V4):
            return protocol
    raise bad_request(
        f"unable to negotiate protocol: client supports [{' '.join(protocols)}], server accepts [{V5} {V4}]"
    )


async def _serve(work: Work, connection: Pipe) -> None:
    try:
        await work(connection, Inputs(connection))
        await connection.close()
    except StreamBroken:
        return  # the client left


def _command_work(core: Core, served: Strategy, action: Action, protocol: str) -> Work:
    given = _parameters(action)
    target = _target(core, served, action, given.get("container", ("",))[0])
    host = _host(core, action.name, target.node)
    runtime = core.runtime
    if runtime is None:
        if protocol != V5:
            raise plain_failure(f"error dialing backend: {host.failure}")
        query = [("command", word) for word in given.get("command", ())]
        query += sorted((theirs, "1") for ours, theirs in _SENT_TO_KUBELET if _flag(given, ours))
        path = f"/{action.subresource}/{target.pod.namespace}/{target.pod.name}/{target.container}?{urlencode(query)}"
        text = f'error sending request: Post "https://{host.authority}{path}": {host.failure}'
        return functools.partial(_refuse, internal_error(text))
    if not any(_flag(given, name) for name in ("stdin", "stdout", "stderr")):
        raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
    if action.subresource == "attach":
        return functools.partial(_run_command, functools.partial(_attach, runtime, *target[:2]), given)
    command = tuple(given.get("command", ()))
    if not command:
        raise bad_request("exec needs a command")
    return functools.partial(_run_command, functools.partial(runtime.exec, *target[:2], command), given)


async def _refuse(error: ApiError, connection: Pipe, _inputs: Inputs) -> None:
    await connection.send(Channel.ERROR, _status(error))


async def _attach(runtime: PodRuntime, pod: PodRef, container: str, streams: Streams) -> int:
    """Talk to a container's program; its end is no failure of the call, whatever its exit code."""
    await runtime.attach(pod, container, streams)
    return 0


async def _run_command(
    run: Callable[[Streams], Awaitable[int]], given: Mapping[str, Sequence[str]], connection: Pipe, inputs: Inputs
) -> None:
    """Run a command, and send its end."""
    tty = _flag(given, "tty")

    async def write(channel: Channel, data: bytes) -> None:
        if data and _flag(given, channel.name.lower()):
            await connection.send(channel, data)

    streams = Streams(
        stdin=inputs.open(Channel.STDIN) if _flag(given, "stdin") else None,
        stdout=functools.partial(write, Channel.STDOUT),
        stderr=functools.partial(write, Channel.STDOUT if tty else Channel.STDERR),
        tty=tty,
        sizes=inputs.sizes(inputs.open(Channel.RESIZE)) if tty else None,
    )
    try:
        async with inputs.reading():
            end = _end(await run(streams))
    except ApiError as error:
        end = _status(error)
    await connection.send(Channel.ERROR, end)


def _end(code: int) -> bytes:
    """The Status at the end of a command."""
    if code == 0:
        return msgspec.json.encode({"metadata": {}, "status": "Success"})
    causes = [{"reason": "ExitCode", "message": str(code)}]
    failure = {"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}
    return msgspec.json.encode(failure | {"message": f"command terminated with non-zero exit code: exit status {code}"})


def _status(error: ApiError) -> bytes:
    plain = error.to_status()
    return msgspec.json.encode({name: value for name, value in plain.items() if name not in ("kind", "apiVersion")})


def _ports_work(core: Core, served: Strategy, action: Action) -> Work:
    pod = core.get(served, action.key)
    host = _host(core, action.name, pod.plain["spec"].get("nodeName") or "")
    if core.runtime is None:
        raise plain_failure(f"error dialing backend: {host.failure}")
    words = [word for text in _parameters(action).get("ports", ()) for word in text.split(",")]
    if not words:
        raise bad_request('query parameter "port" is required')
    ports = [int(word) if word.isdecimal() else 0 for word in words]
    for word, port in zip(words, ports, strict=True):
        if port not in _PORTS:
            raise bad_request(f'unable to parse "{word[:32]}" as a port: it must be between 1 and 65535')
    reference = PodRef(*action.key, pod.metadata["uid"])
    return functools.partial(_forward, core.runtime, reference, ports)


async def _forward(runtime: PodRuntime, pod: PodRef, ports: Sequence[int], connection: Pipe, inputs: Inputs) -> None:
    """Carry the bytes of all ports; the first message of each channel is its port."""

    async def carry(place: int, port: int, sent: AsyncIterator[bytes]) -> None:
        number = port.to_bytes(2, "little")
        await connection.send(2 * place, number)
        await connection.send(2 * place + 1, number)
        write = functools.partial(connection.send, 2 * place)
        try:
            await runtime.port_forward(pod, port, Streams(stdin=sent, stdout=write, stderr=write))
        except (OSError, ApiError) as error:
            why = error.message if isinstance(error, ApiError) else error.strerror or str(error)
            text = f"error forwarding port {port} to pod {pod.name}, uid {pod.uid}: {why}"
            await connection.send(2 * place + 1, text.encode())

    sent = [inputs.open(2 * place) for place in range(len(ports))]
    async with inputs.reading(), asyncio.TaskGroup() as carrying:
        for place, port in enumerate(ports):
            carrying.create_task(carry(place, port, sent[place]), name=f"port {port}")


# ---- pods ------------------------------------------------------------------------------------------------------------


def _target(core: Core, served: Strategy, action: Action, container: str) -> Target:
    """
    Return the container that is meant; the only one, where none is named.

    Errors  NotFound; BadRequest for a container that the pod does not have.
    """
    pod = core.get(served, action.key)
    spec = pod.plain["spec"]
    own = [one["name"] for one in spec["containers"]]
    names = [
        one["name"] for kind in ("initContainers", "containers", "ephemeralContainers") for one in spec.get(kind) or ()
    ]
    if not container:
        if len(own) != 1:
            choices = f"[{' '.join(names)}]"
            raise bad_request(f"a container name must be specified for pod {action.name}, choose one of: {choices}")
        container = own[0]
    elif container not in names:
        raise bad_request(f"container {container} is not valid for pod {action.name}")
    return Target(PodRef(*action.key, pod.metadata["uid"]), container, spec.get("nodeName") or "")


def _host(core: Core, pod: str, node: str) -> Host:
    """Return where the kubelet of a pod's node listens. Errors: BadRequest, NotFound."""
    if not node:
        raise bad_request(f"pod {pod} does not have a host assigned")
    return address_of(core, node, missing=kinds.PODS)


def _parameters(action: Action) -> dict[str, list[str]]:
    given: dict[str, list[str]] = {}
    for name, value in action.options.parameters:
        given.setdefault(name, []).append(value)
    return given
