"""What the page on troubleshooting quotes, section by section, and whether a program prints it."""

from __future__ import annotations

import re
from typing import Final

from tests.support.snippets import ROOT

PAGE: Final = ROOT / "docs" / "troubleshooting.md"
_SECTION: Final = re.compile(r"^### (?P<title>.+)\n(?P<text>(?:(?!^##).*\n?)*)", re.MULTILINE)
_BLOCK: Final = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def quoted() -> dict[str, list[str]]:
    """The lines that each section quotes, by its title; a section may quote none."""
    return {
        found["title"]: [line for block in _BLOCK.findall(found["text"]) for line in block.splitlines()]
        for found in _SECTION.finditer(PAGE.read_text(encoding="utf-8"))
    }


def missing(title: str, printed: str) -> list[str]:
    """Which quoted lines of a section are in no line that was printed; dots stand for any text."""
    return [line for line in quoted()[title] if not any(_fits(line, one) for one in printed.splitlines())]


def _fits(line: str, printed: str) -> bool:
    return re.search(".*".join(re.escape(part.strip()) for part in line.split("...")), printed) is not None
