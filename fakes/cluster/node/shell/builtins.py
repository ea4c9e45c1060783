"""Commands of the shell itself: its variables, folder, end, tests and waiting."""

from __future__ import annotations

import asyncio
import operator
import re
from collections.abc import Callable, Mapping, Sequence

from ctrlkit import clock
from ctrlkit.fakes.cluster.node.shell.context import Entry, Exit, Io, Leave
from ctrlkit.fakes.cluster.node.shell.interpreter import Shell
from ctrlkit.fakes.cluster.node.shell.registry import COMMANDS, Options, command, with_options

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "e": "\x1b", "0": "\0"}


@command("true", ":", "trap", "sync", "chmod", "chown")
async def _succeed(shell: Shell, io: Io, words: Sequence[str]) -> int:
    """What changes nothing here: signals end a script anyway, and files have no owners."""
    return 0


@command("false")
async def _fail(shell: Shell, io: Io, words: Sequence[str]) -> int:
    return 1


@command("exit", "return")
async def _exit(shell: Shell, io: Io, words: Sequence[str]) -> int:
    if len(words) > 1 and not words[1].isdecimal():
        await io.complain(f"{words[0]}: Illegal number: {words[1]}")
        raise Exit(2)
    raise Exit(int(words[1]) % 256 if len(words) > 1 else shell.status)


@command("break", "continue")
async def _leave(shell: Shell, io: Io, words: Sequence[str]) -> int:
    raise Leave(int(words[1]) if len(words) > 1 and words[1].isdecimal() else 1, goes_on=words[0] == "continue")


@command("sleep")
async def _sleep(shell: Shell, io: Io, words: Sequence[str]) -> int:
    total = 0.0
    for word in words[1:]:
        found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)([smhd]?)", word)
        if word in ("infinity", "inf"):
            await asyncio.get_running_loop().create_future()
        elif found is None:
            await io.complain(f"sleep: invalid number '{word}'")
            return 1
        else:
            total += float(found[1]) * _UNITS_S[found[2] or "s"]
    await asyncio.sleep(total)
    return 0


@command("wait")
async def _wait(shell: Shell, io: Io, words: Sequence[str]) -> int:
    if shell.background:
        await asyncio.wait(shell.background)
        shell.background.clear()
    return 0


@command("kill")
async def _kill(shell: Shell, io: Io, words: Sequence[str]) -> int:
    if words[-1] == "1":
        raise Exit(143)
    for task in shell.background:
        task.cancel()
    return 0


@command("echo")
async def _echo(shell: Shell, io: Io, words: Sequence[str]) -> int:
    rest = list(words[1:])
    flags = ""
    while rest and re.fullmatch("-[neE]+", rest[0]):
        flags += rest.pop(0)[1:]
    text = " ".join(rest)
    await io.say((_unescape(text) if "e" in flags else text) + ("" if "n" in flags else "\n"))
    return 0


@command("printf")
async def _printf(shell: Shell, io: Io, words: Sequence[str]) -> int:
    if len(words) < 2:
        await io.complain("printf: missing operand")
        return 1
    form, rest = _unescape(words[1]), list(words[2:])
    while True:
        await io.say(re.sub(r"%(-?\d*)([sdi%])", lambda found: _formatted(found, rest), form))
        if not rest or not re.search(r"%-?\d*[sdi]", form):
            return 0


def _formatted(found: re.Match[str], rest: list[str]) -> str:
    if found[2] == "%":
        return "%"
    value = rest.pop(0) if rest else ""
    if found[2] in "di":
        value = value if re.fullmatch(r"-?\d+", value) else "0"
    width = int(found[1] or 0)
    return value.ljust(-width) if width < 0 else value.rjust(width)


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text)


@command("cd")
async def _cd(shell: Shell, io: Io, words: Sequence[str]) -> int:
    target = words[1] if len(words) > 1 else shell.variables.get("HOME") or "/"
    path = shell.path(target)
    entry = shell.context.files.find(path)
    if path != "/" and (entry is None or not entry.is_folder):
        await io.complain(f"{shell.context.name}: cd: can't cd to {target}: No such file or directory")
        return 1
    shell.folder = path
    shell.variables["PWD"] = path
    return 0


@command("pwd")
async def _pwd(shell: Shell, io: Io, words: Sequence[str]) -> int:
    await io.say(f"{shell.folder}\n")
    return 0


@command("export", "readonly", "local", "declare")
async def _export(shell: Shell, io: Io, words: Sequence[str]) -> int:
    for word in words[1:]:
        name, is_set, value = word.partition("=")
        if is_set:
            shell.variables[name] = value
    return 0


@command("unset")
async def _unset(shell: Shell, io: Io, words: Sequence[str]) -> int:
    for name in words[1:]:
        shell.variables.pop(name, None)
    return 0


@command("set")
async def _set(shell: Shell, io: Io, words: Sequence[str]) -> int:
    for place, word in enumerate(words[1:], start=1):
        if word == "--":
            shell.arguments = tuple(words[place + 1 :])
            break
        if re.fullmatch(r"[-+][euxo]+", word) and "e" in word:
            shell.stops_at_errors = word[0] == "-"
    return 0


@command("shift")
async def _shift(shell: Shell, io: Io, words: Sequence[str]) -> int:
    shell.arguments = shell.arguments[1:]
    return 0


@command("read")
async def _read(shell: Shell, io: Io, words: Sequence[str]) -> int:
    names = [word for word in words[1:] if not word.startswith("-")] or ["REPLY"]
    line = await io.stdin.line()
    values = line.decode(errors="replace").rstrip("\n").split(None, len(names) - 1)
    for place, name in enumerate(names):
        shell.variables[name] = values[place].strip() if place < len(values) else ""
    return int(not line)


@command("env", "printenv")
async def _env(shell: Shell, io: Io, words: Sequence[str]) -> int:
    if len(words) > 1:
        value = shell.variables.get(words[1])
        if value is not None:
            await io.say(f"{value}\n")
        return int(value is None)
    await io.say("".join(f"{name}={value}\n" for name, value in shell.variables.items()))
    return 0


@command("exec")
async def _exec(shell: Shell, io: Io, words: Sequence[str]) -> int:
    if len(words) == 1:
        return 0
    raise Exit(await _call(shell, io, words[1:]))


@command("command", "which", "type")
async def _where(shell: Shell, io: Io, words: Sequence[str]) -> int:
    rest = [word for word in words[1:] if not word.startswith("-")]
    if words[0] == "command" and "-v" not in words:
        return await _call(shell, io, rest)
    known = [word for word in rest if word in COMMANDS]
    await io.say("".join(f"/bin/{word}\n" for word in known))
    return int(len(known) < len(rest))


async def _call(shell: Shell, io: Io, words: Sequence[str]) -> int:
    run = COMMANDS.get(words[0].rpartition("/")[2]) if words else None
    if run is None:
        await io.complain(f"{shell.context.name}: {' '.join(words[:1])}: not found")
        return 127
    return await run(shell, io, words)


@command("hostname")
async def _hostname(shell: Shell, io: Io, words: Sequence[str]) -> int:
    await io.say(f"{shell.context.hostname}\n")
    return 0


@command("whoami")
async def _whoami(shell: Shell, io: Io, words: Sequence[str]) -> int:
    await io.say("root\n")
    return 0


@command("id")
async def _id(shell: Shell, io: Io, words: Sequence[str]) -> int:
    await io.say("uid=0(root) gid=0(root) groups=0(root)\n")
    return 0


@command("uname")
async def _uname(shell: Shell, io: Io, words: Sequence[str]) -> int:
    await io.say(f"Linux {shell.context.hostname}\n" if "-a" in words or "-n" in words else "Linux\n")
    return 0


@command("date")
async def _date(shell: Shell, io: Io, words: Sequence[str]) -> int:
    form = next((word[1:] for word in words[1:] if word.startswith("+")), "%a %b %e %H:%M:%S UTC %Y")
    now = clock.now()
    await io.say(now.strftime(form.replace("%s", str(int(now.timestamp())))) + "\n")
    return 0


@command("seq")
async def _seq(shell: Shell, io: Io, words: Sequence[str]) -> int:
    numbers = [int(word) for word in words[1:] if re.fullmatch(r"-?\d+", word)]
    if len(numbers) != len(words) - 1 or not 1 <= len(numbers) <= 3:
        await io.complain("seq: numbers are needed")
        return 1
    first, step = (numbers[0] if len(numbers) > 1 else 1), (numbers[1] if len(numbers) == 3 else 1)
    for number in range(first, numbers[-1] + (1 if step > 0 else -1), step or 1):
        await io.say(f"{number}\n")
    return 0


@with_options("yes")
async def _yes(shell: Shell, io: Io, options: Options, rest: Sequence[str]) -> int:
    while True:
        await io.say(f"{' '.join(rest) or 'y'}\n")
        await asyncio.sleep(0.01)


# ---- tests -----------------------------------------------------------------------------------------------------------


@command("test", "[", "[[")
async def _test(shell: Shell, io: Io, words: Sequence[str]) -> int:
    rest = list(words[1:])
    if words[0] in ("[", "[["):
        if rest[-1:] != [words[0].replace("[", "]")]:
            await io.complain(f"{shell.context.name}: missing {words[0].replace('[', ']')}")
            return 2
        rest.pop()
    try:
        return int(not _any(shell, rest))
    except (ValueError, IndexError):
        await io.complain(f"{shell.context.name}: {words[0]}: bad expression")
        return 2


def _any(shell: Shell, words: Sequence[str]) -> bool:
    for joint, combine in (("-o", any), ("||", any), ("-a", all), ("&&", all)):
        if joint in words[1:-1]:
            place = words.index(joint, 1)
            return combine((_any(shell, words[:place]), _any(shell, words[place + 1 :])))
    if words[:1] == ["!"]:
        return not _any(shell, words[1:])
    return _holds(shell, words)


def _holds(shell: Shell, words: Sequence[str]) -> bool:
    match words:
        case [] | ["-n", ""]:
            return False
        case [text] | ["-n", text]:
            return bool(text)
        case ["-z", text]:
            return not text
        case [kind, path] if kind in _FILE_TESTS:
            entry = shell.context.files.find(shell.path(path))
            return entry is not None and _FILE_TESTS[kind](entry)
        case [one, kind, other]:
            return _TEXT_TESTS[kind](one, other) if kind in _TEXT_TESTS else _compare(one, kind, other)
    raise ValueError(words)


def _compare(one: str, kind: str, other: str) -> bool:
    """Compare numbers. Errors: ValueError."""
    if kind not in _NUMBER_TESTS:
        raise ValueError(kind)
    return _NUMBER_TESTS[kind](int(one), int(other))


_FILE_TESTS: Mapping[str, Callable[[Entry], bool]] = {
    "-f": lambda entry: not entry.is_folder,
    "-d": lambda entry: entry.is_folder,
    "-s": lambda entry: entry.size > 0,
} | dict.fromkeys(("-e", "-r", "-w", "-x"), lambda entry: True)
_TEXT_TESTS: Mapping[str, Callable[[str, str], bool]] = {"=": operator.eq, "==": operator.eq, "!=": operator.ne}
_NUMBER_TESTS: Mapping[str, Callable[[int, int], bool]] = {
    "-eq": operator.eq,
    "-ne": operator.ne,
    "-lt": operator.lt,
    "-le": operator.le,
    "-gt": operator.gt,
    "-ge": operator.ge,
}
