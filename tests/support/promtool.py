"""Prometheus' own tool for rules: one on PATH."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ctrlkit.deploy.monitoring import rule_file

PROMTOOL = shutil.which("promtool")

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="there is no promtool on PATH: Prometheus' releases have one"
)


def promtool(*arguments: str | Path) -> str:
    """What it says; it has to be content."""
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tried(folder: Path, series: str, *tests: dict[str, Any], every: str) -> str:
    """What it says of tests of our rules about these series, which are evaluated so often."""
    (folder / "rules.yaml").write_text(yaml.safe_dump(rule_file("greeter", series=series)))
    file = {"rule_files": ["rules.yaml"], "evaluation_interval": every, "tests": list(tests)}
    (folder / "tests.yaml").write_text(yaml.safe_dump(file))
    return promtool("test", "rules", folder / "tests.yaml")
