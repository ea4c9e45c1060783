"""The real kube-controller-manager and kube-scheduler, beside any API server, with the defaults that they come with."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ctrlkit.fakes.cluster.node.process import ProcessGuard, start_guarded
from ctrlkit.fakes.controlplane import NoControlPlane
from ctrlkit.fakes.controlplane import programs as folder_of_programs

PROGRAMS = ("kube-controller-manager", "kube-scheduler")
_STOP_WITHIN_S = 10.0
_LINE = re.compile(r"^[EWF]\d{4} [\d:.]+ +\d+ (?P<said>.*)$")

EVERYWHERE = (
    r"The manifest file is empty, ignoring",
    r"is not as new as written version",
    r"the object has been modified; please apply your changes to the latest version",
    r"because it is being terminated",
    r"exceeded quota",
    r"sync .* failed with \S+ .* not found",  # an object that went meanwhile
    r"Error finding provisioning plugin for claim.*not found",
    r"ReplicaSet has no controller: .*map\[app:web\]",  # a pod without an owner, which a ReplicationController adopts
    r"Status after running PostFilter plugins for pod.*not found",
)
"""What the programs say in their logs on a real API server too: at their start, when they are slowed down, at ends."""


def programs() -> Path:
    """The folder of the programs. Errors: NoControlPlane if there is none that has all of them."""
    folder = folder_of_programs()
    missing = [name for name in PROGRAMS if not (folder / name).is_file()]
    if missing:
        raise NoControlPlane(f"start the controllers of Kubernetes: {folder} has no {' and no '.join(missing)}")
    return folder


@dataclass(frozen=True)
class Controllers:
    """Both programs, while they run."""

    running: dict[str, subprocess.Popen[bytes]]
    folder: Path

    def log(self, name: str) -> str:
        """What a program has printed."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def complaints(self) -> list[str]:
        """The errors and warnings in the logs that would not be there with a real API server."""
        known = re.compile("|".join(EVERYWHERE))
        lines = [line for name in self.running for line in self.log(name).splitlines()]
        said = [found["said"] for line in lines if (found := _LINE.match(line))]
        panics = [line for line in lines if "panic" in line]
        return [text for text in said if not known.search(text)] + panics

    def ended(self) -> list[str]:
        """The programs that do not run any more."""
        return [name for name, process in self.running.items() if process.poll() is not None]

    def memory_kib(self) -> dict[str, int]:
        """The resident memory of each program."""
        fields = {
            name: re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
            for name, process in self.running.items()
        }
        return {name: int(found[1]) for name, found in fields.items() if found}


@contextmanager
def controllers(kubeconfig: str | os.PathLike[str], *flags: str) -> Iterator[Controllers]:
    """
    Run both programs beside a server until the end of the block.

    Each controller of the manager has the rights of its own service account. `flags` are added to the manager's.
    """
    folder = programs()
    guard = ProcessGuard()
    reach = [f"--{kind}kubeconfig={kubeconfig}" for kind in ("", "authentication-", "authorization-")]
    mine = {PROGRAMS[0]: ("--use-service-account-credentials", *flags), PROGRAMS[1]: ()}
    running = {}
    try:
        for name in PROGRAMS:
            with (guard.folder / f"{name}.log").open("wb") as log:
                command = [str(folder / name), *reach, "--secure-port=0", *mine[name]]
                running[name] = start_guarded(guard, command, environment={"PATH": os.defpath}, output=log)
        yield Controllers(running, guard.folder)
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            try:
                process.wait(_STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            guard.remove(process.pid)
        guard.close()
