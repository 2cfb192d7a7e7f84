"""The edge: nginx with its RTMP module, configured from our settings; the same on a laptop and in Kubernetes."""

import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path
from string import Template
from urllib.parse import quote

MODULE_PATHS = (
    "/usr/lib/nginx/modules/ngx_rtmp_module.so",  # Debian, Ubuntu: libnginx-mod-rtmp
    "/usr/lib64/nginx/modules/ngx_rtmp_module.so",
    "/usr/local/nginx/modules/ngx_rtmp_module.so",
)


class EdgeMissingError(Exception):
    """The machine lacks nginx or its RTMP module; the operator installs them (`make setup`)."""


@dataclass(frozen=True, slots=True)
class EdgeConfig:
    """What the edge's configuration is made from."""

    folder: Path
    """Working folder: configuration, HLS segments, temporary files."""
    host: str
    rtmp_port: int
    http_port: int
    hooks_url: str
    """The api's hooks, e.g. http://127.0.0.1:8000/hooks/edge."""
    token: str
    hls_fragment_s: int = 2
    """The compositor sends a keyframe at least every 2 s; segments can't be shorter."""
    hls_playlist_s: int = 12

    @property
    def hls_folder(self) -> Path:
        """Where playlists and segments lie."""
        return self.folder / "hls"


# Only `error` and above is logged: at `info` the module writes stream keys. `master_process off`: one process that
# a supervisor can start, stop and take along when it dies. `max_message`: a keyframe may exceed the default of 1 MB.
_TEMPLATE = Template("""\
load_module $module;
daemon off;
master_process off;
$user
worker_rlimit_core 0;
error_log stderr error;
pid $folder/nginx.pid;
events { worker_connections 2048; }

rtmp {
    access_log off;
    server {
        listen $host:$rtmp_port;
        chunk_size 4096;
        max_message 16M;
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
            hls on;
            hls_path $folder/hls;
            hls_fragment ${fragment}s;
            hls_max_fragment ${max_fragment}s;
            hls_playlist_length ${playlist}s;
            hls_continuous on;
            hls_cleanup on;
        }
    }
}

http {
    access_log off;
    server_tokens off;
    types {
        application/vnd.apple.mpegurl m3u8;
        video/mp2t ts;
    }
    client_body_temp_path $folder/tmp;
    proxy_temp_path $folder/tmp;
    fastcgi_temp_path $folder/tmp;
    uwsgi_temp_path $folder/tmp;
    scgi_temp_path $folder/tmp;

    server {
        listen $host:$http_port;
        location /hls/ {
            alias $folder/hls/;
            add_header Cache-Control no-cache always;
            add_header Access-Control-Allow-Origin * always;
        }
        location = /stat { allow 127.0.0.1; deny all; rtmp_stat all; }
        location /control { allow 127.0.0.1; deny all; rtmp_control all; }
    }
}
""")


def find_nginx() -> tuple[str, str]:
    """Return the paths of nginx and of its RTMP module.

    Raises:
        EdgeMissingError: one of them is not installed.
    """
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    module = next((path for path in MODULE_PATHS if Path(path).exists()), None)
    if nginx is None or module is None:
        lacking = "nginx" if nginx is None else "nginx's RTMP module (package libnginx-mod-rtmp)"
        raise EdgeMissingError(f"{lacking} is not installed; run `make setup`")
    return nginx, module


def render(config: EdgeConfig, module: str) -> str:
    """Return the text of nginx's configuration."""
    return _TEMPLATE.substitute(
        module=module,
        user=_user_line(),
        folder=config.folder,
        host=config.host,
        rtmp_port=config.rtmp_port,
        http_port=config.http_port,
        hooks=config.hooks_url,
        token=quote(config.token, safe=""),
        fragment=config.hls_fragment_s,
        max_fragment=config.hls_fragment_s * 3,
        playlist=config.hls_playlist_s,
    )


def prepare(config: EdgeConfig) -> list[str]:
    """Write the configuration and return the command that runs the edge in the foreground.

    Raises:
        EdgeMissingError: nginx or its module is not installed.
    """
    nginx, module = find_nginx()
    for folder in (config.folder, config.hls_folder, config.folder / "tmp"):
        folder.mkdir(parents=True, exist_ok=True)
    path = config.folder / "nginx.conf"
    path.touch(mode=0o600)
    path.write_text(render(config, module))
    return [nginx, "-e", "stderr", "-p", str(config.folder), "-c", str(path)]


def _user_line() -> str:
    # Started by root (a container), nginx would change to `nobody`, who can't write below our folder.
    return f"user {pwd.getpwuid(os.geteuid()).pw_name};" if os.geteuid() == 0 else ""
