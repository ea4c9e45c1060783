"""
Runs kubectl's command lines against a server, each in a namespace of its own.

`cases.json` has them: `definition` is of the custom kind that some use; `files` are manifests by name, in which `NS` is
the namespace; a case is {"group", "command", "files"?, "before"?, "check"?, "after"?, "unordered"?}. First the files
are applied and `before` is run, then `command` and `check`, whose words are compared, at last `after`. All are lines of
bash, which know the namespace as $NS, a word of the case's own as $R, and the name of the node as $NODE.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

HERE = Path(__file__).parent
PATIENCE_S = 60.0

_SHELL = """
kubectl() { command "$PROGRAM" -n "$NS" "$@"; }
timeout() {
  local most=$1; shift
  if [ "$1" = kubectl ]; then shift; command timeout "$most" "$PROGRAM" -n "$NS" "$@"
  else command timeout "$most" "$@"; fi
}
"""
_NAMESPACE = '{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "%s"}}'
_DEFINE = (
    "kubectl apply -f definition.yaml && "
    "kubectl wait --for=condition=Established -f definition.yaml --timeout=10s && sleep 2"
)


class Case(msgspec.Struct, frozen=True):
    """A command line with what it needs."""

    group: str
    command: str
    files: tuple[str, ...] = ()
    before: str = ""
    check: str = ""
    after: str = ""
    unordered: bool = False
    """Whether its lines come in an order that is by chance."""


class Battery(msgspec.Struct, frozen=True):
    """All cases."""

    definition: str
    files: Mapping[str, str]
    cases: tuple[Case, ...]


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a case came to: the exit codes of the preparation and of the command, and what they wrote."""

    prepared: int = 0
    preparation: str = ""
    status: int = 0
    output: str = ""
    checked: str = ""


def read_battery() -> Battery:
    """Read the cases."""
    return msgspec.json.decode(HERE.joinpath("cases.json").read_bytes(), type=Battery)


def matching(pattern: str) -> list[int]:
    """The numbers of the cases that a regular expression finds in `NUMBER GROUP: COMMAND`."""
    cases = enumerate(read_battery().cases)
    return [number for number, case in cases if re.search(pattern, f"{number} {case.group}: {case.command}")]


@dataclass(frozen=True)
class Runner:
    """
    Runs cases against the server of a kubeconfig.

    `folder` is for kubectl's cache and the manifests; `furnished` is a command that waits until a new namespace has
    what the server puts into it.
    """

    kubeconfig: Path
    kubectl: Path
    node: str
    folder: Path
    furnished: str = ""
    battery: Battery = field(default_factory=read_battery)

    def run(self, numbers: list[int] | None = None, *, workers: int = 2) -> dict[int, Outcome]:
        """Run the cases with these numbers, by default all, in their order, a few at a time."""
        chosen = list(range(len(self.battery.cases))) if numbers is None else numbers
        with self._custom_kind(), ThreadPoolExecutor(workers) as pool:
            return dict(zip(chosen, pool.map(self.run_case, chosen), strict=True))

    def run_case(self, number: int) -> Outcome:
        """Run one case."""
        case, namespace = self.battery.cases[number], f"case-{number:03}"
        folder = self.folder / namespace
        folder.mkdir()
        for name, text in self.battery.files.items():
            folder.joinpath(f"{name}.yaml").write_text(text.replace("NS", namespace))
        folder.joinpath("namespace.yaml").write_text(_NAMESPACE % namespace)
        self._shell(namespace, f"kubectl create -f namespace.yaml; {self.furnished}")
        prepare = "kubectl apply" + "".join(f" -f {name}.yaml" for name in case.files) if case.files else ""
        prepared, first = self._shell(namespace, prepare)
        ready, second = self._shell(namespace, case.before)
        status, output = self._shell(namespace, case.command)
        _, checked = self._shell(namespace, case.check)
        self._shell(namespace, f"{case.after}\nkubectl delete namespace $NS --wait=false")
        return Outcome(
            prepared=prepared or ready,
            preparation=self._neutral(first + second, namespace),
            status=status,
            output=self._neutral(output, namespace),
            checked=self._neutral(checked, namespace),
        )

    @contextmanager
    def _custom_kind(self) -> Iterator[None]:
        self.folder.joinpath("default").mkdir()
        self.folder.joinpath("default", "definition.yaml").write_text(self.battery.definition)
        status, output = self._shell("default", _DEFINE)
        if status:
            raise RuntimeError(f"the custom kind of the cases is not served: {output}")
        yield
        self._shell("default", "kubectl delete -f definition.yaml --timeout=20s")

    def _shell(self, namespace: str, line: str) -> tuple[int, str]:
        """Run a line of bash; returns its exit code and what it wrote."""
        if not line:
            return 0, ""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "KUBECONFIG": str(self.kubeconfig),
            "PROGRAM": str(self.kubectl),
            "NS": namespace,
            "R": _own_word(namespace),
            "NODE": self.node,
            "TZ": "UTC",
        }
        with subprocess.Popen(
            ["bash", "-c", _SHELL + line],
            cwd=self.folder / namespace,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as shell:
            try:
                output, _ = shell.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired as error:
                return 124, (error.stdout or b"").decode(errors="replace") + "\n<no end>"
            finally:
                with suppress(ProcessLookupError):  # what it has left running, such as a proxy
                    os.killpg(shell.pid, signal.SIGKILL)
        return shell.returncode, output.decode(errors="replace")

    def _neutral(self, text: str, namespace: str) -> str:
        """Replace the names of this run."""
        address = self._address()
        for own, neutral in (
            (str(self.folder), "FOLDER"),
            (f"https://{address}", "https://ADDRESS"),
            (address, "ADDRESS"),
            (namespace, "NS"),
            (_own_word(namespace), "WORD"),
            (self.node, "NODE"),
        ):
            text = text.replace(own, neutral)
        return text

    def _address(self) -> str:
        found = re.search(r"server:\s*\"?https?://([^\s\"},]+)", self.kubeconfig.read_text())
        assert found, f"no server in {self.kubeconfig}"
        return found[1]


def _own_word(namespace: str) -> str:
    return namespace.replace("case-", "word")
