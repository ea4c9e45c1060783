"""
Run credential plugins: programs that print an ExecCredential (client.authentication.k8s.io v1 and v1beta1).

In      The `exec` of a user, and what its cluster says to plugins.
Out     A token, a client certificate, both, and when they run out; or PluginFailed with one line.

A plugin gets this program's environment and its own variables, and KUBERNETES_EXEC_INFO with the request. Without a
terminal it reads nothing, runs in a session of its own, and what it writes to standard error goes to the log or into
the error; with one, it shares terminal and standard error. It has a limited time; then, and when whoever waits for it
is cancelled, it is killed together with the processes it started.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from ctrlkit.errors import SERVER_TEXT_LIMIT
from ctrlkit.telemetry import logger
from ctrlkit.wire.config.document import NotReadable, read_document
from ctrlkit.wire.config.entries import Exec, InteractiveMode, Variable, named, texts, to_entries
from ctrlkit.wire.config.files import interactive_mode_of
from ctrlkit.wire.secrets import NO_PEM, NO_SECRET, Pem, Secret

PLUGIN_LIMIT_S = 60.0
"""How long a plugin may take: as long as a slow login service, and no longer than a person waits for a start."""
TERMINAL_LIMIT_S = 300.0
"""How long it may take with a terminal, where it may be waiting for a person."""
ANSWER_BYTES_MAX = 1024 * 1024

log: Final = logger("wire")


class PluginFailed(Exception):
    """A plugin gave no usable credentials; the text names the command and the fact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginAnswer:
    """The credentials from a plugin. `certificate` is a chain with its key, in one PEM text."""

    token: Secret = NO_SECRET
    certificate: Pem = NO_PEM
    expires: datetime | None = None


async def ask_plugin(plugin: Exec, cluster: Mapping[str, object] | None) -> PluginAnswer:
    """
    Run a plugin to its end.

    Shape   `cluster` is what the request says of the cluster, None for nothing.
    Errors  PluginFailed.
    """
    interactive = _interactive(plugin)
    request = {
        "kind": "ExecCredential",
        "apiVersion": plugin.api_version,
        "spec": {**({} if cluster is None else {"cluster": cluster}), "interactive": interactive},
    }
    environment = {
        **{name: Secret(value) for name, value in os.environ.items()},
        **{each.name: each.value for each in named(plugin.env, Variable())},
        "KUBERNETES_EXEC_INFO": Secret(msgspec.json.encode(request).decode()),
    }
    run = _Run(plugin.command, interactive=interactive)
    await run.to_its_end(_program(plugin), texts(plugin.args), environment)
    answer = _understood(run.printed, plugin)
    if isinstance(answer, str):
        raise PluginFailed(f"{plugin.command}: {answer}")
    return answer


def _interactive(plugin: Exec) -> bool:
    """Whether it gets the terminal."""
    mode, terminal = interactive_mode_of(plugin), os.isatty(0)
    if mode == InteractiveMode.ALWAYS and not terminal:
        raise PluginFailed(
            f"{plugin.command}: it wants a terminal (interactiveMode Always), and standard input is none"
        )
    return terminal and mode != InteractiveMode.NEVER


def _program(plugin: Exec) -> str:
    """The file to run: a command without a slash is looked for on this program's PATH, not on the plugin's own."""
    if os.sep in plugin.command:
        return plugin.command
    found = shutil.which(plugin.command)
    if found is None:
        raise PluginFailed(f"{plugin.command}: it is not on the PATH{_hint(plugin)}")
    return found


def _hint(plugin: Exec) -> str:
    hint = one_line(plugin.install_hint)
    return f"; {hint}" if hint else ""


def one_line(text: str) -> str:
    """A text for people as one line without control characters, cut."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:SERVER_TEXT_LIMIT]


# ---- the process ------------------------------------------------------------------------------------------------


class _Run:
    """One run of one plugin. What it printed is an attribute and never a variable, which tracebacks show."""

    def __init__(self, command: str, *, interactive: bool) -> None:
        self._command = command
        self._interactive = interactive
        self._said = b""
        self.printed = b""

    async def to_its_end(self, program: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """Run, and note what it prints; PluginFailed if it does not end well and in time."""
        process = await self._start(program, arguments, environment)
        limit_s = TERMINAL_LIMIT_S if self._interactive else PLUGIN_LIMIT_S
        ended = False
        try:
            async with asyncio.timeout(limit_s):
                await asyncio.gather(self._read(process), self._listen(process))
                await process.wait()
            ended = True
        except TimeoutError:
            raise self._failed(f"it did not end within {limit_s:g} s, and was killed") from None
        finally:
            if not ended:
                await self._kill(process)
        self._judge(process.returncode or 0)

    def _judge(self, status: int) -> None:
        if status:
            ended = f"it ended with status {status}" if status > 0 else f"it was ended by signal {-status}"
            raise self._failed(ended)
        if len(self.printed) > ANSWER_BYTES_MAX:
            raise self._failed(f"it printed more than {ANSWER_BYTES_MAX} bytes")
        if said := one_line(self._said.decode("utf-8", "replace")):
            log.info("credential_plugin_said", command=self._command, text=said)

    async def _start(self, program: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Process:
        try:
            return await asyncio.create_subprocess_exec(
                program,
                *arguments,
                stdin=None if self._interactive else DEVNULL,
                stdout=PIPE,
                stderr=None if self._interactive else PIPE,
                env=environment,
                start_new_session=not self._interactive,
            )
        except OSError as error:
            raise self._failed(f"it cannot be run ({error.strerror})") from None
        except ValueError:
            raise self._failed("its arguments or variables have characters that none can have") from None

    async def _read(self, process: Process) -> None:
        """Standard output, as far as an answer may be long; the rest is read and dropped."""
        assert process.stdout is not None
        while part := await process.stdout.read(65536):
            if len(self.printed) <= ANSWER_BYTES_MAX:
                self.printed += part

    async def _listen(self, process: Process) -> None:
        """The end of what it says to people."""
        while process.stderr is not None and (part := await process.stderr.read(65536)):
            self._said = (self._said + part)[-4 * SERVER_TEXT_LIMIT :]

    async def _kill(self, process: Process) -> None:
        """The plugin, and what it started where that is in a session of its own."""
        if self._interactive:
            if process.returncode is None:
                process.kill()
        else:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    def _failed(self, fact: str) -> PluginFailed:
        said = one_line(self._said.decode("utf-8", "replace"))
        return PluginFailed(f"{self._command}: {fact}{f': {said}' if said else ''}")


# ---- its answer -------------------------------------------------------------------------------------------------


class _Status(Struct, frozen=True, rename="camel"):
    token: Secret = Secret()
    client_certificate_data: Secret = Secret()
    client_key_data: Secret = Secret()
    expiration_timestamp: str | None = None


class _Credential(Struct, frozen=True, rename="camel"):
    kind: str = ""
    api_version: str = ""
    status: _Status | None = None


def _understood(output: bytes, plugin: Exec) -> PluginAnswer | str:
    """The answer, or what is wrong with it: returned, so that no traceback has a frame that holds the output."""
    try:
        read = msgspec.json.decode if output.lstrip().startswith(b"{") else read_document
        said = to_entries(read(output), _Credential)
    except msgspec.ValidationError as error:
        return f"cannot decode its answer: {error}"
    except (NotReadable, msgspec.DecodeError, RecursionError):
        return "cannot decode its answer, which is neither JSON nor YAML"
    if fault := _fault(said, plugin):
        return fault
    assert said.status is not None
    expires = None
    if said.status.expiration_timestamp is not None:
        expires = time_of(said.status.expiration_timestamp)
        if expires is None:
            return "its answer has an expirationTimestamp that is no time as 2006-01-02T15:04:05Z"
    certificate = Pem(f"{said.status.client_certificate_data}\n{said.status.client_key_data}".strip())
    return PluginAnswer(token=said.status.token, certificate=certificate, expires=expires)


def _fault(said: _Credential, plugin: Exec) -> str | None:
    if not said.api_version:
        return "its answer is no ExecCredential: missing key apiVersion"
    if said.kind not in ("", "ExecCredential"):
        return f"its answer is a {said.kind[:64]}, and no ExecCredential"
    if said.api_version != plugin.api_version:
        return f"its answer has apiVersion {said.api_version[:64]}; it was asked for {plugin.api_version}"
    return _fault_of_status(said.status)


def _fault_of_status(status: _Status | None) -> str | None:
    if status is None:
        return "its answer has no status"
    if not (status.token or status.client_certificate_data or status.client_key_data):
        return "its answer has neither a token nor a certificate"
    if bool(status.client_certificate_data) != bool(status.client_key_data):
        return "its answer has only one of certificate and key"
    return None


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d+)?(Z|[-+]\d\d:\d\d)")


def time_of(text: str) -> datetime | None:
    """
    A point in time as RFC 3339 has it, None for another text.

    >>> time_of("2030-01-01T00:00:00.5+02:00").isoformat()
    '2030-01-01T00:00:00.500000+02:00'
    """
    try:
        return datetime.fromisoformat(text) if _TIME.fullmatch(text) else None
    except ValueError:
        return None
