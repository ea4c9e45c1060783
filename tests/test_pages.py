"""What is written for readers, as files: links lead somewhere, commands are understood, a test runs every snippet."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
import yaml

from ctrlkit.bitcoin.cli import command_line as bitcoin_commands
from ctrlkit.cli import all_commands
from tests.support.snippets import ROOT

PAGES: Final = sorted(
    str(path.relative_to(ROOT))
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if "build" not in path.parts
)
_FENCE: Final = re.compile(
    r"^(?P<fence>```+|~~~+)(?P<kind>\S*)[^\n]*\n(?P<text>.*?)^(?P=fence)$", re.MULTILINE | re.DOTALL
)
_LINK: Final = re.compile(r"\]\((?P<target>[^()\s]+)\)")
_CODE: Final = re.compile(r"`[^`\n]+`")
_COMMAND: Final = re.compile(r"^(?: {4}|\$ )(?P<line>(?:ctrlkit|bitcoin-controller) [^\n]*)$", re.MULTILINE)


@cache
def text_of(page: str) -> str:
    """The text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def prose_of(page: str) -> str:
    """A page without its blocks of code and what stands between backticks."""
    text = _FENCE.sub("", text_of(page))
    return _CODE.sub("", re.sub(r"^(?: {4}|\t).*$", "", text, flags=re.MULTILINE))


def blocks_of(page: str) -> Iterator[tuple[str, str]]:
    """The kind and the text of each block of code that a page fences."""
    for block in _FENCE.finditer(text_of(page)):
        yield block["kind"], block["text"]


@cache
def anchors_of(page: str) -> frozenset[str]:
    """What a link may name behind `#`, as hosts of repositories and the site make it of headings."""
    anchors: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", _FENCE.sub("", text_of(page)), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip().lower())
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        anchors.add(slug if slug not in anchors else f"{slug}-{sum(each.startswith(slug) for each in anchors)}")
    return frozenset(anchors) | frozenset(re.findall(r"^\(([\w-]+)\)=$", text_of(page), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_lead_to_files_and_headings(page: str) -> None:
    """For those who read the repository; the site is held to the same by `make docs`."""
    for link in _LINK.finditer(prose_of(page)):
        target = link["target"]
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), f"{page} links to {target}: there is no such file"
        if anchor and file.suffix == ".md" and "." not in anchor:  # a public name is an anchor of the site alone
            assert anchor in anchors_of(str(file.resolve().relative_to(ROOT))), f"{page}: no heading for {target}"


def outside_links() -> dict[str, list[str]]:
    """What pages link to in the world outside, and which pages do."""
    found: dict[str, list[str]] = {}
    for page in PAGES:
        for target in re.findall(r"(?:\]\(|<)(https?://[^()\s>]+)", prose_of(page)):
            if "127.0.0.1" not in target:
                found.setdefault(target, []).append(page)
    return found


@pytest.mark.long
@pytest.mark.real_time
def test_links_to_the_outside_are_answered() -> None:
    """Each by its host, now; a machine without a network says so."""
    silent: dict[str, str] = {}
    for target, pages in outside_links().items():
        request = urllib.request.Request(target, method="HEAD", headers={"User-Agent": "links of a documentation"})
        try:
            urllib.request.urlopen(request, timeout=20).close()
        except urllib.error.HTTPError as error:
            if error.code in {404, 410}:
                silent[target] = f"{error.code}, in {pages}"
        except OSError as error:
            pytest.skip(f"{target} cannot be asked from here: {error}")
    assert silent == {}


def test_every_page_with_python_is_run_by_a_test_that_names_it() -> None:
    """Such as tests/test_docs.py; pages of tasks are run with their folder, as its indexes list them."""
    with_python = {page for page in PAGES if any(kind == "python" for kind, _ in blocks_of(page))}
    tests = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py") if path.name != Path(__file__).name]
    folder = {page for page in with_python if page.startswith("docs/howto/")}
    assert {page for page in with_python - folder if not any(f'{Path(page).name}"' in test for test in tests)} == set()


@pytest.mark.parametrize("page", [page for page in PAGES if any(kind == "yaml" for kind, _ in blocks_of(page))])
def test_yaml_that_is_shown_can_be_read(page: str) -> None:
    """All of its documents."""
    for kind, text in blocks_of(page):
        if kind == "yaml":
            assert list(yaml.safe_load_all(text))


def commands() -> dict[str, list[str]]:
    """Each of our commands that a page shows by itself on a line, without its comment, and the pages."""
    found: dict[str, list[str]] = {}
    for page in PAGES:
        for match in _COMMAND.finditer(text_of(page)):
            found.setdefault(re.split(r"\s+[#>|&]", match["line"])[0], []).append(page)
    return found


def test_commands_that_are_shown_are_understood() -> None:
    """By the parsers of the commands themselves: every subcommand, option and choice is there."""
    parsers = {"ctrlkit": all_commands(), "bitcoin-controller": bitcoin_commands()}
    refused: dict[str, str] = {}
    for line, pages in commands().items():
        program, *arguments = shlex.split(line, comments=True)
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
                parsers[program].parse_args(arguments)
        except SystemExit as end:
            if end.code:
                refused[line] = f"{pages}: {said.getvalue().strip().splitlines()[-1]}"
    assert len(commands()) > 10
    assert refused == {}
