"""The pages for people who come from another framework: their snippets run; tests/foreign has what others do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.snippets import ROOT, files_of, run_pytest, write_files
from tests.test_pages import anchors_of


@pytest.mark.long
def test_every_snippet_for_users_of_kopf_passes(tmp_path: Path) -> None:
    """Those of ours; before.py is run by tests/foreign, with kopf."""
    write_files(files_of("docs/coming-from-kopf.md"), tmp_path)
    assert "5 passed" in run_pytest(tmp_path)


@pytest.mark.long
def test_every_snippet_for_users_of_controller_runtime_passes(tmp_path: Path) -> None:
    """The same reconcile, and its test."""
    write_files(files_of("docs/coming-from-controller-runtime.md"), tmp_path)
    assert "1 passed" in run_pytest(tmp_path)


def test_the_go_of_the_page_is_that_of_the_program_that_is_run() -> None:
    """tests/foreign builds go/moving and runs it."""
    page = (ROOT / "docs" / "coming-from-controller-runtime.md").read_text()
    program = (ROOT / "tests" / "foreign" / "go" / "moving" / "main.go").read_text()
    blocks = re.findall(r"^```go\n(.*?)\n```$", page, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    assert [block for block in blocks if _without_panics(block) not in _without_panics(program)] == []


def _without_panics(text: str) -> str:
    """Without the lines that try what becomes of a panic."""
    return re.sub(r'\tif req.Name == "panics".*?\n\t}\n', "", text, flags=re.DOTALL)


def rows_of(heading: str) -> list[tuple[str, str]]:
    """The rows of the tables below a heading of the second level: a page of theirs, and ours or a reason."""
    text = (ROOT / "docs" / "guides-compared.md").read_text()
    part = re.split(r"^## ", text.split(f"\n## {heading}\n")[1], flags=re.MULTILINE)[0]
    return re.findall(r"^\| `(?P<theirs>[^`]+)` \| (?P<ours>.+) \|$", part, flags=re.MULTILINE)


@pytest.mark.parametrize("guide", ["kopf 1.45.2", "kubebuilder 4.16.0"])
def test_each_page_of_their_guides_has_its_answer_or_a_reason(guide: str) -> None:
    """The pages are those of the version that is named; tests/foreign/test_guides.py asks for them."""
    rows = rows_of(guide)
    pages = (ROOT / "tests" / "foreign" / "guides" / f"{guide.replace(' ', '-')}.txt").read_text().split()
    assert sorted(theirs for theirs, _ in rows) == sorted(pages)
    assert [theirs for theirs, ours in rows if not ours.startswith("No: ") and "](" not in ours] == []
    assert [ours for _, ours in rows if ours.startswith("No: ") and len(ours) < len("No: and here is why")] == []


def test_each_page_of_ours_that_answers_is_there() -> None:
    """With the heading that a link names."""
    text = (ROOT / "docs" / "guides-compared.md").read_text()
    targets = {target for target in re.findall(r"\]\(([^)]+)\)", text) if not target.startswith("../")}
    assert len(targets) > 60
    assert sorted(target for target in targets if not is_there(target)) == []


def is_there(target: str) -> bool:
    """Whether a page of docs/ is there, and has the heading."""
    path, _, anchor = target.partition("#")
    return (ROOT / "docs" / path).exists() and (not anchor or anchor in anchors_of(f"docs/{path}"))
