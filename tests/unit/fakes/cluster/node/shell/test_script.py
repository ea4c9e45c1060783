"""What scripts of the small shell do, as a busybox would, and which command lines are scripts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.node.shell import Context, find_command, read_script
from ctrlkit.fakes.cluster.node.shell.parser import parse
from ctrlkit.fakes.cluster.node.shell.syntax import ShellSyntaxError
from tests.support.memory_files import MemoryFiles

DEADLINE_S = 10.0


async def run(
    *command: str,
    files: MemoryFiles | None = None,
    typed: Sequence[bytes] | None = None,
    tty: bool = False,
    pause_s: float = 0.0,
) -> tuple[int, str]:
    """Run a command line in a container; return its exit code and all that it wrote."""
    script = find_command(command)
    assert script is not None, f"{command[0]} is not there"
    output = bytearray()

    async def write(data: bytes) -> None:
        output.extend(data)

    async def pieces() -> AsyncIterator[bytes]:
        for piece in typed or ():
            await asyncio.sleep(pause_s)
            yield piece

    context = Context(
        environment={"HOME": "/", "GREETING": "hello"},
        stdout=write,
        stderr=write,
        files=files or MemoryFiles({"/test": False, "/etc/fixed": True}),
        stdin=None if typed is None else pieces(),
        hostname="web-0",
        tty=tty,
        name=script.name,
    )
    async with asyncio.timeout(DEADLINE_S):
        return await script.run(context), output.decode()


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("text", "code", "output"),
    [
        ("exit 3", 3, ""),
        ("echo a b; false", 1, "a b\n"),
        ("false && echo x || echo y", 0, "y\n"),
        ("true || echo x; echo $?", 0, "0\n"),
        ("! true", 1, ""),
        ("echo hello > /test/a; cat /test/a; ls /test", 0, "hello\na\n"),
        ("echo a >> /test/a; echo b >> /test/a; wc -l < /test/a", 0, "2\n"),
        ("echo x > /etc/fixed/a", 1, "sh: can't open /etc/fixed/a: Read-only file system\n"),
        ("cat /nosuch; echo $?", 0, "cat: can't open '/nosuch': No such file or directory\n1\n"),
        ("mount | grep test", 0, "/dev/vda1 on /test type ext4 (rw,relatime)\n"),
        ("mkdir -p /test/a/b; cd /test/a; pwd; rmdir b; ls -a | wc -l", 0, "/test/a\n0\n"),
        (
            "touch /test/x /test/y; mv /test/x /test/z; cp /test/z /test/w; ls /test/[wz]; rm /test/*; ls /test",
            0,
            "/test/w\n/test/z\n",
        ),
        ("if [ -d /test ]; then echo folder; elif true; then echo x; else echo y; fi", 0, "folder\n"),
        ("if test -s /test/none -o 1 -gt 2; then echo x; fi", 0, ""),
        ("i=0; while [ $i -lt 3 ]; do i=$((i+1)); [ $i = 2 ] && continue; echo $i; done", 0, "1\n3\n"),
        ("until false; do echo once; break; done", 0, "once\n"),
        ("for x in a 'b c' $GREETING; do echo \"<$x>\"; done", 0, "<a>\n<b c>\n<hello>\n"),
        ("case $(hostname) in db-*) echo d;; web-*|x) echo w;; esac", 0, "w\n"),
        ("seq 5 | while read n; do echo got $n; done | tail -2", 0, "got 4\ngot 5\n"),
        ("yes | head -2", 0, "y\ny\n"),
        ("echo ${NONE:-some} ${GREETING:+set} ${#GREETING} ${NONE}.", 0, "some set 5 .\n"),
        ("x=1; (x=2; echo $x); echo $x; { x=3; }; echo $x", 0, "2\n1\n3\n"),
        ("set -e; false || true; echo a; false; echo b", 1, "a\n"),
        ("echo out; echo err >&2; echo gone > /dev/null; echo also 2>&1", 0, "out\nerr\nalso\n"),
        ("printf '%s=%d;' a 1 b 2; printf '%5s|\\n' x", 0, "a=1;b=2;    x|\n"),
        ("echo \"a $(echo 'b  c') `echo d`\" \\# e # comment", 0, "a b  c d # e\n"),
        ("trap 'echo x' TERM; sleep 5 & wait; echo done", 0, "done\n"),
        ("exec echo replaced; echo never", 0, "replaced\n"),
        ("curl web; echo $?", 0, "sh: curl: not found\n127\n"),
        ("echo $((7 / 0))", 2, "sh: arithmetic: divide by zero\n"),
        ("env | sort | head -1; unset HOME; env | wc -l", 0, "GREETING=hello\n1\n"),
    ],
)
async def test_a_script_does_what_it_says(text: str, code: int, output: str) -> None:
    """Exit code and output, errors among it, are a shell's."""
    assert await run("sh", "-c", text) == (code, output)


@pytest.mark.virtual_time
@pytest.mark.long
async def test_time_passes_in_scripts_that_wait_and_in_those_that_never_do() -> None:
    """A sleep takes its time; a loop that does nothing else does not stop the clock."""
    loop = asyncio.get_running_loop()
    before = loop.time()
    assert await run("sh", "-c", "sleep 1; sleep 0.5s") == (0, "")
    assert loop.time() - before == 1.5
    assert await run("sh", "-c", "while true; do :; done & sleep 1; echo $?") == (0, "0\n")


@pytest.mark.virtual_time
async def test_a_log_is_followed() -> None:
    """`tail -f` shows what is there and what is added later."""
    files = MemoryFiles({"/log": False})
    files.write("/log/access.log", b"one\n")
    follower = asyncio.create_task(run("sh", "-c", "tail -f /log/access.log | head -2", files=files))
    await asyncio.sleep(5)
    files.write("/log/access.log", b"two\n", append=True)
    assert await follower == (0, "one\ntwo\n")


@pytest.mark.virtual_time
async def test_a_shell_reads_what_it_is_sent() -> None:
    """Without a terminal silently, to the end of stdin or to `exit`; a shell that is sent nothing ends."""
    assert await run("sh") == (0, "")
    assert await run("sh", typed=[b"echo a", b"b\nif true\nthen echo c; fi\nexit 4\necho d\n"]) == (4, "ab\nc\n")


@pytest.mark.virtual_time
async def test_a_shell_at_a_terminal_prompts_and_echoes() -> None:
    """What is typed appears, can be taken back and interrupted; Ctrl-D ends it."""
    typed = [b"ec", b"ho a\x7fb\r", b"nonsense\x03", b"false\r\x04"]
    assert await run("bash", typed=typed, tty=True, pause_s=1.0) == (
        1,
        "bash-5.2# echo a\b \bb\r\nb\r\nbash-5.2# nonsense^C\r\nbash-5.2# false\r\nbash-5.2# exit\r\n",
    )


@pytest.mark.virtual_time
async def test_ctrl_c_ends_what_runs_at_a_terminal_and_not_the_shell() -> None:
    """What never ends by itself too; the status is 130."""
    typed = [b"tail -f /dev/null; echo never\r", b"\x03", b"echo $?\r", b"exit\r"]
    code, shown = await run("sh", typed=typed, tty=True, pause_s=1.0)
    assert (code, "never\r\n^C" in shown, shown.count("never")) == (0, True, 1)
    assert "130\r\n" in shown


@pytest.mark.parametrize(
    ("command", "is_known"),
    [
        (("sleep", "3600"), True),
        (("/bin/sh", "-c", "while true; do date; sleep 5; done"), True),
        (("sh", "-ec", "echo a"), True),
        (("/bin/sh",), True),
        (("sh", "-c", "curl web:80"), False),
        (("sh", "-c", "echo a | python -m http.server"), False),
        (("sh", "-c", "if then"), False),
        (("sh", "-c", "$PROGRAM"), False),
        (("sh", "/start.sh"), False),
        (("nginx", "-g", "daemon off;"), False),
        ((), False),
    ],
)
def test_a_container_runs_a_script_only_if_all_of_it_is_known(command: tuple[str, ...], *, is_known: bool) -> None:
    """Half of a script is none: its container is a stand-in."""
    assert (read_script(command) is not None) == is_known


@given(st.text(alphabet="ab $(){};|&<>'\"`\\#=\n!ifthenfodcases", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else comes of it, and it does not take for ever."""
    try:
        parse(text)
    except (ShellSyntaxError, RecursionError):
        return
