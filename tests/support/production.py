"""`ctrlkit run` as production has it: without the packages of extras, as a process that says what it costs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.support.served import served

ROOT: Final = Path(__file__).parents[2]
EXTRAS: Final = (
    "colorama",
    "cryptography",
    "jsonpointer",
    "kubernetes",
    "opentelemetry",
    "re2",
    "rich",
)
"""The modules of packages that only extras bring, and those that others load where they are there."""

ALONE: Final = f"""
import json, sys
sys.modules.update(dict.fromkeys({EXTRAS}))  # an import of one fails as if it were not installed
"""
_RUN: Final = f"""{ALONE}
import atexit
atexit.register(lambda: print(json.dumps([name for name, module in sys.modules.items() if module])))
from ctrlkit.cli import main
sys.exit(main())
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a controller costs: processor time until its caches were filled, memory when idle, and what was imported."""

    start_ms: float
    idle_mb: float
    modules: frozenset[str]


def cost_of_run(target: str, *, idle_s: float, installed: Path | None = None) -> Cost:
    """
    Run `ctrlkit run TARGET`, of an example, against a server of its own until it has been idle for a while.

    `installed` is the folder of the ctrlkit to take, with its bytecode; without it, it is the one that runs this.
    """
    with (
        TemporaryDirectory() as folder,
        served(kubeconfig := Path(folder, "kubeconfig"), str(ROOT / "examples" / "kinds.yaml")),
    ):
        command = [sys.executable, "-c", _RUN, "run", target, "--kubeconfig", str(kubeconfig)]
        command += ["--endpoints-address", "127.0.0.1:0"]
        with subprocess.Popen(
            command,
            cwd=ROOT / "examples",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=_environ(installed),
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if "controller_started" in line:
                    break
            start_ms = _cpu_ms(process.pid)
            time.sleep(idle_s)
            idle_mb = _resident_mb(process.pid)
            process.terminate()
            out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return Cost(start_ms=start_ms, idle_mb=idle_mb, modules=frozenset(json.loads(out)))


def _environ(installed: Path | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CTRLKIT_")}
    return kept | ({"PYTHONPATH": str(installed)} if installed else {})


def _cpu_ms(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) * 1000 / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    assert found is not None
    return int(found[1]) / 1024
