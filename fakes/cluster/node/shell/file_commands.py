"""Commands that look at files and texts, and change them."""

from __future__ import annotations

import asyncio
import posixpath
import re
import tarfile
from collections.abc import AsyncIterator, Sequence
from io import BytesIO

from ctrlkit.fakes.cluster.node.shell.context import Files, Input, Io
from ctrlkit.fakes.cluster.node.shell.interpreter import Shell
from ctrlkit.fakes.cluster.node.shell.registry import Options, command, split_options, with_options

_LOOK_EVERY_S = 1.0
_MISSING = "No such file or directory"


@with_options("cat", known="nAuv")
async def _cat(shell: Shell, io: Io, options: Options, rest: Sequence[str]) -> int:
    if not rest:
        while piece := await io.stdin.piece():
            await io.stdout(piece)
        return 0
    status = 0
    for name in rest:
        content = await _read("cat", shell, io, name)
        status |= int(content is None)
        await io.stdout(content or b"")
    return status


async def _read(command: str, shell: Shell, io: Io, name: str) -> bytes | None:
    """The content of a file, stdin for `-`; None, with a complaint, if it cannot be read."""
    if name == "-":
        return await io.stdin.all()
    if name == "/dev/null":
        return b""
    try:
        return shell.context.files.read(shell.path(name))
    except OSError as error:
        await io.complain(f"{command}: can't open '{name}': {error.strerror}")
        return None


@with_options("ls", known="la1AhRtdiF")
async def _ls(shell: Shell, io: Io, options: Options, rest: Sequence[str]) -> int:
    status, shown = 0, list[str]()
    files = shell.context.files
    for name in rest or ["."]:
        path = shell.path(name)
        entry = files.find(path)
        if entry is None and path != "/":
            await io.complain(f"ls: {name}: {_MISSING}")
            status = 1
            continue
        if (entry is not None and not entry.is_folder) or "d" in options:
            shown.append(_line(files, path, name, options))
            continue
        if len(rest) > 1:
            shown.append(f"{name}:")
        hidden = "a" in options or "A" in options
        names = [one for one in files.names(path) if hidden or not one.startswith(".")]
        shown += [_line(files, posixpath.join(path, one), one, options) for one in sorted(names)]
    columns = shell.context.tty and len(rest) <= 1 and not {"l", "1"} & options.keys()
    if shown:
        await io.say(("  ".join(shown) if columns else "\n".join(shown)) + "\n")
    return status


def _line(files: Files, path: str, name: str, options: Options) -> str:
    if "l" not in options:
        return name
    entry = files.find(path)
    if entry is None:
        return name
    letters = "".join(
        letter if entry.mode >> place & 1 else "-" for letter, place in zip("rwxrwxrwx", range(8, -1, -1), strict=True)
    )
    return f"{'d' if entry.is_folder else '-'}{letters} root root {entry.size:>8} {name}"


@with_options("touch", known="acm", valued="dtr")
async def _touch(shell: Shell, io: Io, options: Options, rest: Sequence[str]) -> int:
    for name in rest:
        shell.context.files.write(shell.path(name), b"", append=True)
    return 0


@with_options("mkdir", known="pv", valued="m")
async def _mkdir(shell: Shell, io: Io, options: Options, rest: Sequence[str]) -> int:
    files, status = shell.context.files, 0
    for name in rest:
        path = shell.path(name)
        above = files.find(posixpath.dirname(path))
        trouble = ""
        if "p" not in options:
            trouble = "File exists" if files.find(path) else "" if above or posixpath.dirname(path) == "/" else _MISSING
        if trouble:
            await io.complain(f"mkdir: can't create directory '{name}': {trouble}")
            status = 1
        else:
            files.make_folder(path)
    return status


@with_options("rm", known="rRfiv")
async def _rm(shell: Shell, io: Io, options: Options, rest: Sequence[str]) -> int:
    files, status = shell.context.files, 0
    for name in rest:
        entry = files.find(shell.path(name))
        if entry is None:
            if "f" not in options:
                await io.complain(f"rm: can't remove '{name}': {_MISSING}")
                status = 1
        elif entry.is_folder and not {"r", "R"} & options.keys():
            await io.complain(f"rm: '{name}' is a directory")
            status = 1
        else:
            files.remove(shell.path(name))
    return status


@with_options("rmdir")
async def _rmdir(shell: Shell, io: Io, options: Options, rest: Sequence[str]) -> int:
    files, status = shell.context.files, 0
    for name in rest:
        entry = files.find(shell.path(name))
        if entry is None or not entry.is_folder or files.names(shell.path(name)):
            await io.complain(f"rmdir: '{name}': {_MISSING if entry is None else 'Directory not empty'}")
            status = 1
        else:
            files.remove(shell.path(name))
    return status


@with_options("cp", known="rRapfLv")
async def _cp(shell: Shell, io: Io, options: Options, rest: Sequence[str]) -> int:
    return await _copy("cp", shell, io, rest, moves=False)


@with_options("mv", known="fv")
async def _mv(shell: Shell, io: Io, options: Options, rest: Sequence[str]) -> int:
    return await _copy("mv", shell, io, rest, moves=True)


async def _copy(command: str, shell: Shell, io: Io, rest: Sequence[str], *, moves: bool) -> int:
    if len(rest) < 2:
        await io.complain(f"{command}: missing operand")
        return 1
    files, target = shell.context.files, shell.path(rest[-1])
    into = files.find(target)
    status = 0
    for name in rest[:-1]:
        source = shell.path(name)
        if files.find(source) is None:
            await io.complain(f"{command}: can't stat '{name}': {_MISSING}")
            status = 1
            continue
        inside = into is not None and into.is_folder
        _copy_tree(files, source, posixpath.join(target, posixpath.basename(source)) if inside else target)
        if moves:
            files.remove(source)
    return status


def _copy_tree(files: Files, source: str, target: str) -> None:
    entry = files.find(source)
    if entry is None or not entry.is_folder:
        files.write(target, files.read(source))
        return
    files.make_folder(target)
    for name in tuple(files.names(source)):
        _copy_tree(files, posixpath.join(source, name), posixpath.join(target, name))


@with_options("mount")
async def _mount(shell: Shell, io: Io, options: Options, rest: Sequence[str]) -> int:
    lines = ["overlay on / type overlay (rw,relatime)", "proc on /proc type proc (rw,nosuid,nodev,noexec,relatime)"]
    lines += [
        f"/dev/vda1 on {path} type ext4 ({'ro' if read_only else 'rw'},relatime)"
        for path, read_only in shell.context.files.mounts()
    ]
    await io.say("\n".join(lines) + "\n")
    return 0


@with_options("basename")
async def _basename(shell: Shell, io: Io, options: Options, rest: Sequence[str]) -> int:
    await io.say(posixpath.basename(rest[0].rstrip("/")).removesuffix(rest[1] if len(rest) > 1 else "") + "\n")
    return 0


@with_options("dirname")
async def _dirname(shell: Shell, io: Io, options: Options, rest: Sequence[str]) -> int:
    await io.say(f"{posixpath.dirname(rest[0].rstrip('/')) or '.'}\n")
    return 0


# ---- archives: what `kubectl cp` runs --------------------------------------------------------------------------------


@command("tar")
async def _tar(shell: Shell, io: Io, words: Sequence[str]) -> int:
    """`tar cf - PATH...` and `tar xf - -C FOLDER`, through stdout and stdin."""
    given = [words[1] if words[1:2] and words[1].startswith("-") else f"-{''.join(words[1:2])}", *words[2:]]
    given = [word for word in given if not word.startswith("--")]
    options, names = split_options(given, "cxmopzv", "fC")
    if options.get("f", "-") != "-" or ("c" in options) == ("x" in options):
        await io.complain("tar: only `tar cf -` and `tar xf -` are known here")
        return 2
    folder = shell.path(options.get("C", "."))
    files = shell.context.files
    if "x" in options:
        return await _extract(files, folder, await io.stdin.all(), io)
    archive = BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in names:
            path = posixpath.normpath(posixpath.join(folder, name))
            if files.find(path) is None:
                await io.complain(f"tar: {name}: {_MISSING}")
                return 1
            _put_into(tar, files, path)
    await io.stdout(archive.getvalue())
    return 0


def _put_into(tar: tarfile.TarFile, files: Files, path: str) -> None:
    entry = files.find(path)
    if entry is None:
        return
    info = tarfile.TarInfo(path.lstrip("/"))
    info.mode = entry.mode
    if not entry.is_folder:
        content = files.read(path)
        info.size = len(content)
        tar.addfile(info, BytesIO(content))
        return
    info.type = tarfile.DIRTYPE
    tar.addfile(info)
    for name in files.names(path):
        _put_into(tar, files, posixpath.join(path, name))


async def _extract(files: Files, folder: str, content: bytes, io: Io) -> int:
    try:
        with tarfile.open(fileobj=BytesIO(content)) as tar:
            for member in tar:
                path = posixpath.normpath(posixpath.join(folder, member.name.lstrip("/")))
                if member.isdir():
                    files.make_folder(path)
                elif (source := tar.extractfile(member)) is not None:
                    files.make_folder(posixpath.dirname(path))
                    files.write(path, source.read())
    except tarfile.TarError as error:
        await io.complain(f"tar: {error}")
        return 1
    return 0


# ---- texts -----------------------------------------------------------------------------------------------------------


@with_options("head", known="q", valued="nc")
async def _head(shell: Shell, io: Io, options: Options, rest: Sequence[str]) -> int:
    count = int(options["n"]) if options.get("n", "").isdecimal() else 10
    if not rest:
        for _ in range(count):
            line = await io.stdin.line()
            if not line:
                break
            await io.stdout(line)
        return 0
    status = 0
    for name in rest:
        content = await _read("head", shell, io, name)
        status |= int(content is None)
        await io.stdout(b"".join((content or b"").splitlines(keepends=True)[:count]))
    return status


@with_options("tail", known="fFq", valued="nc")
async def _tail(shell: Shell, io: Io, options: Options, rest: Sequence[str]) -> int:
    number = options.get("n", "10")
    from_start = int(number[1:]) - 1 if number.startswith("+") and number[1:].isdecimal() else None
    count = int(number) if number.isdecimal() else 10
    follows = {"f", "F"} & options.keys()
    for name in rest or ["-"]:
        if name == "/dev/null" and follows:
            await asyncio.get_running_loop().create_future()
        content = await _read("tail", shell, io, name)
        if content is None and "F" not in options:
            return 1
        lines = (content or b"").splitlines(keepends=True)
        await io.stdout(b"".join(lines[from_start:] if from_start is not None else lines[max(0, len(lines) - count) :]))
        if follows and name != "-":
            await _follow(shell, io, shell.path(name), len(content or b""))
    return 0


async def _follow(shell: Shell, io: Io, path: str, place: int) -> None:
    """Write what is added to a file, for ever."""
    files = shell.context.files
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        entry = files.find(path)
        if entry is None or entry.size == place:
            continue
        content = files.read(path)
        await io.stdout(content[place if len(content) > place else 0 :])
        place = len(content)


async def _inputs(command: str, shell: Shell, io: Io, names: Sequence[str]) -> AsyncIterator[tuple[str, Input | None]]:
    """Yield what a command reads: files, or stdin if none is named."""
    if not names:
        yield "", io.stdin
    for name in names:
        content = await _read(command, shell, io, name)
        yield name, None if content is None else Input(text=content)


@with_options("grep", "egrep", "fgrep", known="ivcqEFnoswx", valued="e")
async def _grep(shell: Shell, io: Io, options: Options, rest: Sequence[str]) -> int:
    words = list(rest)
    pattern = options["e"] if "e" in options else words.pop(0) if words else None
    try:
        wanted = None if pattern is None else _pattern(pattern, options)
    except re.error:
        wanted = None
    if wanted is None:
        await io.complain("grep: a pattern is needed")
        return 2
    count, status = 0, 1
    async for name, source in _inputs("grep", shell, io, words):
        prefix = f"{name}:" if len(words) > 1 else ""
        while source is not None and (line := await source.line()):
            text = line.decode(errors="replace").rstrip("\n")
            if bool(wanted.search(text)) == ("v" in options):
                continue
            count, status = count + 1, 0
            if "q" in options:
                return 0
            if "c" not in options:
                await io.say(f"{prefix}{text}\n")
    if "c" in options:
        await io.say(f"{count}\n")
    return status


def _pattern(text: str, options: Options) -> re.Pattern[str]:
    pattern = re.escape(text) if "F" in options else text
    if "w" in options:
        pattern = rf"\b(?:{pattern})\b"
    if "x" in options:
        pattern = f"^(?:{pattern})$"
    return re.compile(pattern, re.IGNORECASE if "i" in options else 0)


@with_options("wc", known="lwc")
async def _wc(shell: Shell, io: Io, options: Options, rest: Sequence[str]) -> int:
    status = 0
    async for name, source in _inputs("wc", shell, io, rest):
        if source is None:
            status = 1
            continue
        content = await source.all()
        counts = {"l": content.count(b"\n"), "w": len(content.split()), "c": len(content)}
        shown = [str(value) for letter, value in counts.items() if letter in options or not options]
        await io.say(" ".join([*shown, name]).rstrip() + "\n")
    return status


@with_options("sort", known="rnu")
async def _sort(shell: Shell, io: Io, options: Options, rest: Sequence[str]) -> int:
    lines = list[str]()
    async for _, source in _inputs("sort", shell, io, rest):
        lines += (await source.all()).decode(errors="replace").splitlines() if source is not None else []
    if "u" in options:
        lines = list(set(lines))
    lines.sort(key=_number if "n" in options else None, reverse="r" in options)
    await io.say("".join(f"{line}\n" for line in lines))
    return 0


def _number(line: str) -> int:
    found = re.match(r"\s*(-?\d+)", line)
    return int(found[1]) if found else 0


@with_options("tee", known="ai")
async def _tee(shell: Shell, io: Io, options: Options, rest: Sequence[str]) -> int:
    for name in rest:
        shell.context.files.write(shell.path(name), b"", append="a" in options)
    while piece := await io.stdin.piece():
        await io.stdout(piece)
        for name in rest:
            shell.context.files.write(shell.path(name), piece, append=True)
    return 0
