"""The edge: nginx with its RTMP module, configured from our settings; the same on a laptop and in Kubernetes."""

import os
import pwd
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mosaicast.runtime.children import limited

MODULE_FOLDERS = (
    "/usr/lib/nginx/modules",  # Debian, Ubuntu
    "/usr/lib64/nginx/modules",
    "/usr/local/nginx/modules",
)
MODULES = {"rtmp": "libnginx-mod-rtmp", "stream": "libnginx-mod-stream"}
"""What we load into nginx, and the packages of Debian that have it."""


class EdgeMissingError(Exception):
    """The machine lacks nginx or one of its modules; the operator installs them (`make setup`)."""


@dataclass(frozen=True, slots=True)
class EdgeConfig:
    """What the edge's configuration is made from."""

    folder: Path
    """Working folder: configuration, temporary files."""
    hls_folder: Path
    """Where the compositor writes HLS, a folder a stream."""
    host: str
    rtmp_port: int
    """The door for everybody: connections are counted by address there."""
    services_port: int
    """RTMP of our own services, on 127.0.0.1 only: they are not counted, and find room when the door is full."""
    inner_port: int
    """On 127.0.0.1 only: where the door hands connections on to, with the client's address ahead of them."""
    http_port: int
    control_port: int
    """Statistics, cutting off publishers, health, HLS of a compositor on another machine."""
    hooks_url: str
    """The api's hooks, e.g. http://127.0.0.1:8000/hooks/edge."""
    token: str
    control_token: str
    """What the api presents to the control port: a proxy on this machine makes everybody a local address. Letters,
    digits, `-` and `_`."""
    control_host: str = "127.0.0.1"
    """Where the control port listens."""
    hls_token: str = ""
    """What a compositor on another machine presents to the control port, to write HLS here. Empty: nobody does."""
    memory_bytes: int = 208 * 1024**2
    """Virtual memory of nginx. Beyond it nginx gets none, and hangs up on whoever asked for most: RTMP clients that
    leave messages of megabytes unfinished, before any hook was asked (bench/edge_flood.py). A stream takes what its
    slowest viewer lags behind, at most 256 packets: 4 MB at 720p, 40 MB at 4K."""


READY_PATH = "/healthz"

_WORKER_CONNECTIONS = 4096
"""1024 RTMP clients take three each (both of the door's ends, the RTMP server's); the rest is for HTTP and hooks."""

TEMPLATES = (
    Path(__file__).with_name("nginx.conf.template"),  # an installed package
    Path(__file__).resolve().parents[2] / "deploy" / "edge" / "nginx.conf.template",  # a checkout
)
"""Where the template of nginx's configuration may be. pyproject.toml puts deploy/edge's into the package."""
_PLACEHOLDER = re.compile(r"\$\{(EDGE_[A-Z_]+)\}")


def find_nginx() -> tuple[str, list[str]]:
    """Return the paths of nginx and of its modules that we load.

    Raises:
        EdgeMissingError: one of them is not installed.
    """
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if nginx is None:
        raise EdgeMissingError("nginx is not installed; run `make setup`")
    return nginx, [_find_module(name) for name in MODULES]


def _find_module(name: str) -> str:
    paths = (Path(folder) / f"ngx_{name}_module.so" for folder in MODULE_FOLDERS)
    found = next((str(path) for path in paths if path.exists()), None)
    if found is None:
        raise EdgeMissingError(f"nginx's {name} module (package {MODULES[name]}) is not installed; run `make setup`")
    return found


def render(config: EdgeConfig, modules: Sequence[str]) -> str:
    """Return the text of nginx's configuration."""
    values = {
        "EDGE_MODULES": "\n".join(f"load_module {module};" for module in modules),
        "EDGE_USER": _user_line(),
        "EDGE_FOLDER": config.folder,
        "EDGE_HLS_FOLDER": config.hls_folder,
        "EDGE_HOST": config.host,
        "EDGE_RTMP_PORT": config.rtmp_port,
        "EDGE_HTTP_PORT": config.http_port,
        "EDGE_INNER_PORT": config.inner_port,
        "EDGE_SERVICES_PORT": config.services_port,
        "EDGE_CONTROL_HOST": config.control_host,
        "EDGE_CONTROL_PORT": config.control_port,
        "EDGE_READY_PATH": READY_PATH,
        "EDGE_HOOKS_URL": config.hooks_url,
        "EDGE_TOKEN": quote(config.token, safe=""),
        "EDGE_CONTROL_TOKEN": config.control_token,
        "EDGE_HLS_TOKEN": config.hls_token,
        "EDGE_WORKER_CONNECTIONS": _WORKER_CONNECTIONS,
    }
    return _PLACEHOLDER.sub(lambda found: str(values[found.group(1)]), template())


def template() -> str:
    """Return the template of nginx's configuration: deploy/edge/nginx.conf.template.

    Raises:
        EdgeMissingError: it is not where it belongs.
    """
    for path in TEMPLATES:
        if path.is_file():
            return path.read_text()
    raise EdgeMissingError(f"{TEMPLATES[0]} is missing; install Mosaicast again")


def prepare(config: EdgeConfig) -> list[str]:
    """Write the configuration and return the command that runs the edge in the foreground.

    Raises:
        EdgeMissingError: nginx or one of its modules is not installed.
    """
    nginx, modules = find_nginx()
    for folder in (config.folder, config.folder / "tmp"):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(config.folder / "hls", ignore_errors=True)  # nginx-rtmp's segments, which earlier versions left
    path = config.folder / "nginx.conf"
    path.touch(mode=0o600)
    path.write_text(render(config, modules))
    command = [nginx, "-e", "stderr", "-p", str(config.folder), "-c", str(path)]
    # Each connection is an open file; the usual 1024 would end the door at 340 clients.
    return limited(command, config.memory_bytes, open_files=_WORKER_CONNECTIONS + 64)


def _user_line() -> str:
    # Started by root (a container), nginx would change to `nobody`, who can't write below our folder.
    return f"user {pwd.getpwuid(os.geteuid()).pw_name};" if os.geteuid() == 0 else ""
