"""Declarations of images: what containers do, as programs of this machine or in this process."""

from __future__ import annotations

from ctrlkit.fakes.cluster.node.images.bitcoind import (
    IMAGE_NAMES,
    P2P_PORT,
    RPC_PORT,
    bitcoind_image,
    real_bitcoind,
    simulated_bitcoind,
)
from ctrlkit.fakes.cluster.node.images.catalog import OTHERS, Catalog, Images
from ctrlkit.fakes.cluster.node.images.declarations import NEVER_S, CommandAnswer, Exits, Image, Line, Pull
from ctrlkit.fakes.cluster.node.images.programs import Place, Program
from ctrlkit.fakes.cluster.node.images.references import ImageReference, InvalidImageName, parse_image, with_default_tag

__all__ = [
    "IMAGE_NAMES",
    "NEVER_S",
    "OTHERS",
    "P2P_PORT",
    "RPC_PORT",
    "Catalog",
    "CommandAnswer",
    "Exits",
    "Image",
    "ImageReference",
    "Images",
    "InvalidImageName",
    "Line",
    "Place",
    "Program",
    "Pull",
    "bitcoind_image",
    "parse_image",
    "real_bitcoind",
    "simulated_bitcoind",
    "with_default_tag",
]
