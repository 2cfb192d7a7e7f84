"""The edge: nginx with its RTMP module, configured from our settings; the same on a laptop and in Kubernetes."""

import os
import pwd
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
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
    """On 127.0.0.1 only: statistics, cutting off publishers, health."""
    hooks_url: str
    """The api's hooks, e.g. http://127.0.0.1:8000/hooks/edge."""
    token: str
    control_token: str
    """What the api presents to the control port: a proxy on this machine makes everybody a local address. Letters,
    digits, `-` and `_`."""
    memory_bytes: int = 208 * 1024**2
    """Virtual memory of nginx. Beyond it nginx gets none, and hangs up on whoever asked for most: RTMP clients that
    leave messages of megabytes unfinished, before any hook was asked (bench/edge_flood.py). A stream takes what its
    slowest viewer lags behind, at most 256 packets: 4 MB at 720p, 40 MB at 4K."""


READY_PATH = "/healthz"

_WORKER_CONNECTIONS = 4096
"""1024 RTMP clients take three each (both of the door's ends, the RTMP server's); the rest is for HTTP and hooks."""

# Only `error` and above is logged: at `info` the module writes stream keys. `master_process off`: one process that
# a supervisor can start, stop and take along when it dies.
_TEMPLATE = Template("""\
$modules
daemon off;
master_process off;
$user
worker_rlimit_core 0;
error_log stderr error;
pid $folder/nginx.pid;
events { worker_connections $worker_connections; }

# The RTMP module can't count connections by address. This door can, before the RTMP module sees anything of them.
stream {
    # Whoever is turned away, or hangs up, would write a line at `error`: strangers must not fill the disk.
    error_log stderr crit;
    # An empty key is not counted: behind a proxy on this machine everybody has its address.
    geo $$counted { default 1; 127.0.0.1 0; ::1 0; }
    map $$counted $$address { 1 $$binary_remote_addr; default ""; }
    limit_conn_zone $$address zone=rtmp_addresses:1m;
    limit_conn_zone $$server_port zone=rtmp_everybody:64k;
    server {
        listen $host:$rtmp_port;
        limit_conn rtmp_addresses 64;
        # Below what the RTMP server takes: the rest is for our services.
        limit_conn rtmp_everybody 960;
        proxy_pass 127.0.0.1:$inner_port;
        proxy_protocol on;
        proxy_connect_timeout 5s;
        # Of who is silent. Players and publishers answer the RTMP server's ping every 10 s.
        proxy_timeout 30s;
    }
}

rtmp {
    access_log off;
    # Of all clients: publishers, viewers, those who only hold a socket, our services.
    max_connections 1024;
    server {
        # Ports, not sockets in a folder: whoever comes by such a one plays and publishes without a hook being asked.
        listen 127.0.0.1:$inner_port proxy_protocol;
        listen 127.0.0.1:$services_port;
        chunk_size 4096;
        # A client may leave a message unfinished in each chunk stream, up to the largest size: 72 MB a connection.
        # Ids up to 8 are in use (FFmpeg and librtmp send commands on 8); a keyframe of 4K at the highest quality
        # measured 6 MB.
        max_streams 9;
        max_message 8M;
        # Of a handshake, and of a viewer who takes nothing.
        timeout 10s;
        ping 10s;
        ping_timeout 5s;
        notify_method post;

        # What streamers send. Only ingest may play it: the api checks the token of the play address. It may come
        # before the publisher (idle_streams), and it wants everything at once: with wait_key it would get sound
        # without pictures until the next keyframe, and take the source for one without video.
        application live {
            live on;
            wait_key off;
            idle_streams on;
            drop_idle_publisher 10s;
            on_publish $hooks/publish?token=$token;
            on_publish_done $hooks/publish_done?token=$token;
            on_play $hooks/play?token=$token;
        }

        # What viewers see. Only the compositor may publish it.
        application masked {
            live on;
            wait_key on;
            drop_idle_publisher 30s;
            on_publish $hooks/publish?token=$token;
            on_play $hooks/play?token=$token;
        }
    }
}

http {
    access_log off;
    server_tokens off;
    log_not_found off;
    sendfile on;
    client_max_body_size 1k;
    client_body_timeout 10s;
    client_header_timeout 10s;
    send_timeout 10s;
    types {
        application/vnd.apple.mpegurl m3u8;
        video/mp2t ts;
    }
    client_body_temp_path $folder/tmp;
    proxy_temp_path $folder/tmp;
    fastcgi_temp_path $folder/tmp;
    uwsgi_temp_path $folder/tmp;
    scgi_temp_path $folder/tmp;

    # An empty key is not counted: behind a proxy on this machine everybody has its address.
    geo $$counted { default 1; 127.0.0.1 0; ::1 0; }
    map $$counted $$address { 1 $$binary_remote_addr; default ""; }
    limit_conn_zone $$address zone=addresses:4m;
    limit_conn addresses 64;

    # HLS, as the compositor writes it. Any page may play it; nothing keeps a copy longer than the folder does.
    server {
        listen $host:$http_port;
        root /nonexistent;
        location ~ "^/hls/(?<stream>[A-Za-z0-9_:-][A-Za-z0-9_.:-]*)\\.m3u8$$" {
            alias "$hls/$$stream/index.m3u8";
            limit_except GET { deny all; }
            add_header Cache-Control no-store always;
            add_header Access-Control-Allow-Origin * always;
        }
        location ~ "^/hls/(?<stream>[A-Za-z0-9_:-][A-Za-z0-9_.:-]*)/(?<segment>[A-Za-z0-9_-]+\\.ts)$$" {
            alias "$hls/$$stream/$$segment";
            limit_except GET { deny all; }
            add_header Cache-Control no-store always;
            add_header Access-Control-Allow-Origin * always;
        }
        location / { return 404; }
    }

    server {
        listen 127.0.0.1:$control_port;
        location = $ready { return 200 "ok\\n"; }
        location = /stat {
            if ($$http_authorization != "Bearer $control_token") { return 403; }
            rtmp_stat all;
        }
        location /control/ {
            if ($$http_authorization != "Bearer $control_token") { return 403; }
            rtmp_control all;
        }
        location / { return 404; }
    }
}
""")


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
    return _TEMPLATE.substitute(
        modules="\n".join(f"load_module {module};" for module in modules),
        worker_connections=_WORKER_CONNECTIONS,
        user=_user_line(),
        folder=config.folder,
        host=config.host,
        rtmp_port=config.rtmp_port,
        services_port=config.services_port,
        inner_port=config.inner_port,
        http_port=config.http_port,
        control_port=config.control_port,
        control_token=config.control_token,
        ready=READY_PATH,
        hls=config.hls_folder,
        hooks=config.hooks_url,
        token=quote(config.token, safe=""),
    )


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
