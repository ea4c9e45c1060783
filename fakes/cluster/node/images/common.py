"""Images that everybody's first steps are taken with, as declarations without programs of this machine."""

from __future__ import annotations

from typing import Final

from ctrlkit.fakes.cluster.node.images.declarations import Image

_PAGE = "<html><body><h1>It works!</h1></body></html>\n"
_WELCOME = "<html><head><title>Welcome to nginx!</title></head><body><h1>Welcome to nginx!</h1></body></html>\n"

COMMON_IMAGES: Final = {
    "busybox": Image(shell=True, command=("sh",)),
    "nginx": Image(shell=True, ports=(80,), pages={"/": _WELCOME}, access_log="/var/log/nginx/access.log"),
    "httpd": Image(shell=True, ports=(80,), pages={"/": _PAGE, "/index.html": _PAGE}),
}
"""What `ctrlkit apiserver` knows from the start: a shell with its small commands, and web servers with one page."""
