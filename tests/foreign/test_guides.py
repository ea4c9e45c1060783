"""The pages of kopf's and kubebuilder's documentation, as releases have them; docs/guides-compared.md names each."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path, PurePosixPath

import pytest

pytestmark = [pytest.mark.long, pytest.mark.real_time, pytest.mark.timeout(300)]

HERE = Path(__file__).parent


def listed(name: str) -> list[str]:
    """The pages that a list of guides/ has."""
    return (HERE / "guides" / f"{name}.txt").read_text().split()


def run(command: list[str], folder: Path) -> str:
    """What a command prints; the test is skipped where it fails, as it does without a network."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{command[0]} could not fetch the release: {(done.stderr.strip() or 'no word').splitlines()[-1]}")
    return done.stdout


def test_the_list_has_every_page_of_kopf(tmp_path: Path) -> None:
    """Those of the folder docs in the source distribution."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "kopf", "kopf==1.45.2"]
    run(pip, tmp_path)
    (archive,) = tmp_path.glob("kopf-*.tar.gz")
    with tarfile.open(archive) as source:
        paths = [PurePosixPath(name) for name in source.getnames()]
    docs = PurePosixPath("kopf-1.45.2/docs")
    pages = [path.relative_to(docs).with_suffix("") for path in paths if docs in path.parents and path.suffix == ".rst"]
    assert sorted(str(page) for page in pages) == sorted(listed("kopf-1.45.2"))


def test_the_list_has_every_page_of_the_kubebuilder_book(tmp_path: Path) -> None:
    """Those that its summary names."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("there is no Go on this machine, which fetches kubebuilder's module")
    said = run([go, "mod", "download", "-json", "sigs.k8s.io/kubebuilder/v4@v4.16.0"], tmp_path)
    summary = Path(json.loads(said)["Dir"]) / "docs" / "book" / "src" / "SUMMARY.md"
    pages = {page.removeprefix("./") for page in re.findall(r"\]\(([^)]*)\.md\)", summary.read_text())}
    assert sorted(pages) == sorted(listed("kubebuilder-4.16.0"))
