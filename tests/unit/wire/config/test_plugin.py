"""Credential plugins as processes: what they get, how long they may take, and what is left of them."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from pathlib import Path

import msgspec
import pytest
import structlog

from ctrlkit.wire.config import plugin as plugins
from ctrlkit.wire.config.entries import Exec, Variable
from ctrlkit.wire.config.plugin import PluginFailed, ask_plugin
from ctrlkit.wire.secrets import Secret
from tests.support.processes import process_ended

pytestmark = pytest.mark.real_time

V1 = "client.authentication.k8s.io/v1"
ANSWER = f'{{"apiVersion": "{V1}", "status": {{"token": "s3cret"}}}}'
LIMIT_S = 30.0


def script(text: str, *, env: tuple[Variable, ...] = ()) -> Exec:
    """A plugin of one line of shell."""
    arguments = (Secret("-c"), Secret(text))
    return Exec(api_version=V1, command="/bin/sh", args=arguments, env=env, interactive_mode="Never")


async def test_a_plugin_has_our_environment_and_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own goes before; it reads nothing from our standard input."""
    monkeypatch.setenv("OURS", "a")
    monkeypatch.setenv("BOTH", "b")
    env = (Variable(name="BOTH", value=Secret("c")), Variable(name="OWN", value=Secret("d")))
    text = f'cat; echo \'{{"apiVersion": "{V1}", "status": {{"token": "\'$OURS$BOTH$OWN\'"}}}}\''
    assert (await ask_plugin(script(text, env=env), None)).token == "acd"


async def test_a_plugin_may_answer_in_yaml() -> None:
    """As clients in Go read it: it need not be JSON."""
    text = f"printf 'apiVersion: {V1}\\nkind: ExecCredential\\nstatus:\\n  token: s3cret\\n'"
    assert (await ask_plugin(script(text), None)).token == "s3cret"


@pytest.mark.parametrize(("mode", "terminal"), [("Never", True), ("IfAvailable", False)])
async def test_a_plugin_that_does_not_get_the_terminal_is_heard(
    mode: str, monkeypatch: pytest.MonkeyPatch, *, terminal: bool
) -> None:
    """It does not want it, or there is none; what it says is in the log."""
    monkeypatch.setattr(os, "isatty", lambda _: terminal)
    with structlog.testing.capture_logs() as logs:
        await ask_plugin(
            msgspec.structs.replace(script(f"echo hello >&2; echo '{ANSWER}'"), interactive_mode=mode), None
        )
    assert [each["text"] for each in logs] == ["hello"]


async def test_what_a_plugin_says_to_people_is_logged() -> None:
    """On one line without control characters, and cut; so is what it says when it fails, as part of the error."""
    text = "printf 'go to\\n\\033[1m https://login\\r\\n' >&2"
    with structlog.testing.capture_logs() as logs:
        await ask_plugin(script(f"{text}; echo '{ANSWER}'"), None)
    assert [(each["event"], each["command"], each["text"]) for each in logs] == [
        ("credential_plugin_said", "/bin/sh", "go to [1m https://login")
    ]
    with pytest.raises(PluginFailed, match=r"^/bin/sh: it ended with status 3: go to \[1m https://login$"):
        await ask_plugin(script(f"{text}; exit 3"), None)


async def test_a_plugin_that_does_not_end_is_killed_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time; the error names it and what it said so far."""
    monkeypatch.setattr(plugins, "PLUGIN_LIMIT_S", 0.5)
    text = f"echo waiting >&2; sleep 1000 & echo $! > {tmp_path}/child; echo $$ > {tmp_path}/own; wait"
    async with asyncio.timeout(LIMIT_S):
        with pytest.raises(PluginFailed, match=r"/bin/sh: it did not end within 0.5 s, and was killed: waiting"):
            await ask_plugin(script(text), None)
        for name in ("child", "own"):
            await process_ended(int((tmp_path / name).read_text()))


async def test_a_plugin_whose_child_keeps_its_output_is_killed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has ended itself, but its answer has no end."""
    monkeypatch.setattr(plugins, "PLUGIN_LIMIT_S", 0.5)
    async with asyncio.timeout(LIMIT_S):
        with pytest.raises(PluginFailed, match="did not end within"):
            await ask_plugin(script(f"sleep 1000 & echo $! > {tmp_path}/child; echo '{ANSWER}'"), None)
        await process_ended(int((tmp_path / "child").read_text()))


async def test_a_plugin_ends_with_whoever_waits_for_it(tmp_path: Path) -> None:
    """A cancelled start leaves no process behind."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    asking = asyncio.create_task(ask_plugin(script(f"echo $$ > {fifo}; exec sleep 1000"), None))
    async with asyncio.timeout(LIMIT_S):
        pid = int(await asyncio.to_thread(fifo.read_text))
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await process_ended(pid)


async def test_an_endless_answer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read to its end, so that the plugin can end, and not kept."""
    monkeypatch.setattr(plugins, "ANSWER_BYTES_MAX", 1000)
    with pytest.raises(PluginFailed, match="it printed more than 1000 bytes"):
        await ask_plugin(script("head -c 1000000 /dev/zero"), None)


async def test_an_install_hint_is_told_where_the_command_is_missing() -> None:
    """In one line, and nowhere else."""
    missing = Exec(api_version=V1, command="no-such", interactive_mode="Never", install_hint="get it\n\x1b[1mthere")
    with pytest.raises(PluginFailed, match=r"^no-such: it is not on the PATH; get it \[1mthere$"):
        await ask_plugin(missing, None)


async def test_a_command_is_looked_for_on_our_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not on the one that the plugin gets."""
    program = tmp_path / "own-plugin"
    program.write_text(f"#!/bin/sh\necho '{ANSWER}'\n")
    program.chmod(0o755)
    elsewhere = (Variable(name="PATH", value=Secret("/nowhere")),)
    found = Exec(api_version=V1, command="own-plugin", interactive_mode="Never", env=elsewhere)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert (await ask_plugin(found, None)).token == "s3cret"


@pytest.mark.parametrize(
    "plugin",
    [
        script(f"echo '{ANSWER}'; exit 1"),
        script(f'echo \'{ANSWER[:-2]}, "clientKeyData": "s3cret"}}}}\''),
        Exec(api_version=V1, command=sys.executable, args=(Secret("\0s3cret"),), interactive_mode="Never"),
        script("exit 1", env=(Variable(name="PASSWORD", value=Secret("s3cret")),)),
    ],
    ids=["fails", "half", "cannot be started", "variable"],
)
async def test_no_failure_of_a_plugin_shows_what_is_secret(plugin: Exec) -> None:
    """Neither the error, nor a traceback that is written with local variables."""
    with pytest.raises(PluginFailed) as caught:
        await ask_plugin(plugin, None)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "s3cret" not in "".join(shown.format())
