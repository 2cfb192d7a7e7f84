"""`mosaicast up`: the whole product on this machine until Ctrl-C."""

import ipaddress
import socket
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.claim import claimed
from services.cli.folders import DataDir, chosen_models_dir, settings_for
from services.cli.printing import DEFAULT_URL, AsJson, complain, err, print_json, print_lines

if TYPE_CHECKING:
    from mosaicast.runtime.settings import Reached, Settings
    from services.cli.stack import Addresses, StackOptions

EVERY_NETWORK = frozenset({"0.0.0.0", "::"})  # noqa: S104 - what users say, and are asked about

PublicHost = Annotated[
    str | None,
    typer.Option(
        help="How streamers and viewers name this machine. By default --host, or this machine's address.",
        show_default=False,
    ),
]
PublicHlsUrl = Annotated[
    str | None,
    typer.Option(
        help="Where viewers reach HLS if a proxy is before it. By default MOSAICAST_EDGE__PUBLIC_HLS_URL, or "
        "--public-host with --http-port.",
        show_default=False,
    ),
]
PublicRtmpUrl = Annotated[
    str | None,
    typer.Option(
        help="Where streamers and viewers reach RTMP if a proxy is before it. By default "
        "MOSAICAST_EDGE__PUBLIC_RTMP_URL, or --public-host with --rtmp-port.",
        show_default=False,
    ),
]


PublicApiUrl = Annotated[
    str | None,
    typer.Option(
        help="Where viewers and operators reach the API and its pages if a proxy is before it. By default "
        "MOSAICAST_API__PUBLIC_URL, or --public-host with --api-port.",
        show_default=False,
    ),
]


def up(  # noqa: PLR0913, PLR0917 - a parameter an option
    data_dir: DataDir = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every network.")] = "127.0.0.1",
    public_host: PublicHost = None,
    rtmp_port: Annotated[int, typer.Option(min=0, max=65535, help="RTMP, in and out; 0: any free one.")] = 1935,
    http_port: Annotated[int, typer.Option(min=0, max=65535, help="HLS; 0: any free one.")] = 8080,
    api_port: Annotated[int, typer.Option(min=0, max=65535, help="The API and its pages; 0: any free one.")] = 8000,
    public_hls_url: PublicHlsUrl = None,
    public_rtmp_url: PublicRtmpUrl = None,
    public_api_url: PublicApiUrl = None,
    kafka: Annotated[bool, typer.Option("--kafka", help="Run a real Apache Kafka (`make setup-kafka`).")] = False,
    bootstrap: Annotated[str | None, typer.Option(help="Use the Apache Kafka at HOST:PORT.")] = None,
    media_dir: Annotated[Path | None, typer.Option(help="Allow files below it as sources.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run Mosaicast on this machine until Ctrl-C; prints its addresses when it is ready."""
    if kafka and bootstrap:
        raise typer.BadParameter("--kafka runs a Kafka of our own, --bootstrap uses yours: choose one")
    settings = _checked(data_dir, bootstrap, embedded=not kafka and bootstrap is None)
    # Two seconds of imports, which `--help` and the commands that ask the api do without.
    from services.cli.stack import StackOptions

    options = StackOptions(
        data_dir=settings.data_dir,
        host=host,
        public_host=public_host or _name_of_this_machine(host),
        public_hls_url=_public_url("hls", public_hls_url, settings),
        public_rtmp_url=_public_url("rtmp", public_rtmp_url, settings),
        public_api_url=_public_url("api", public_api_url, settings),
        rtmp_port=rtmp_port,
        http_port=http_port,
        api_port=api_port,
        kafka="real" if kafka else "embedded",
        bootstrap=bootstrap,
        security=settings.kafka,
        media_dir=media_dir,
    )
    if settings.hls.url is not None and options.public_hls_url is None:
        raise typer.BadParameter("MOSAICAST_HLS__URL sends HLS to another machine: name it with --public-hls-url")
    _run(options, as_json)


def _public_url(kind: "Reached", given: str | None, settings: "Settings") -> str | None:
    """Return where others reach HLS, RTMP or the api: what was given, else what is set; None: neither.

    Raises:
        typer.BadParameter: what was given is no such address.
    """
    from mosaicast.runtime.settings import public_url

    if given is None:
        edge = settings.edge
        named = {"hls": edge.public_hls_url, "rtmp": edge.public_rtmp_url, "api": settings.api.public_url}[kind]
        return named if kind == "api" or f"public_{kind}_url" in edge.model_fields_set else None
    try:
        return public_url(kind, given)
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint=f"--public-{kind}-url") from exc


def _checked(data_dir: Path | None, bootstrap: str | None, *, embedded: bool) -> "Settings":
    """Return the settings; refuse what can't work before anything runs: five services that do not start say less."""
    from mosaicast.contracts.topics import Topology
    from mosaicast.runtime import rights
    from services.cli import models

    rights.make_private()
    settings = settings_for(data_dir)
    chosen_models_dir(settings.models_dir)
    if bootstrap is None and settings.kafka.security_protocol != "plaintext":
        raise typer.BadParameter("MOSAICAST_KAFKA__SECURITY_PROTOCOL is for a Kafka of yours: name it with --bootstrap")
    if embedded and settings.kafka.topology != Topology():
        raise typer.BadParameter("MOSAICAST_KAFKA__PARTITIONS is for a real Kafka: say --kafka or --bootstrap")
    models.require_chosen(settings)
    return settings


def _run(options: "StackOptions", as_json: bool) -> None:
    from mosaicast.runtime import rights
    from mosaicast.runtime.lifecycle import StopEvent
    from services.cli.stack import Stack

    stop = StopEvent().install()
    with claimed(options.data_dir):
        for sentence in rights.mend(options.data_dir):
            complain(sentence)
        with Stack(options) as stack, err.status("starting") as status:
            addresses = stack.start(status.update)
            status.stop()
            _print_addresses(addresses, options.data_dir, as_json)
            if options.kafka == "embedded" and options.bootstrap is None:
                err.print("The embedded broker keeps everything in memory: for trying out, a few streams. See --kafka.")
            stop.wait()
            err.print("stopping")


def _name_of_this_machine(host: str) -> str:
    """Return how others reach what listens on `host`.

    Raises:
        typer.BadParameter: it listens everywhere, and this machine is in no network.
    """
    if host not in EVERY_NETWORK:
        return host
    address = _own_address()
    if address is None:
        raise typer.BadParameter(f"{host} is every network, and this machine is in none: name it with --public-host")
    return address


def _own_address() -> str | None:
    """Return the address from which this machine would reach others; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # of RFC 5737: nobody's
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if ipaddress.ip_address(address).is_loopback else address


def _print_addresses(addresses: "Addresses", data_dir: Path, as_json: bool) -> None:
    if as_json:
        return print_json({**asdict(addresses), "data_dir": str(data_dir.resolve())})
    return print_lines(
        "Publish: in OBS Settings, Stream, Service Custom",
        ("Server", addresses.publish_url),
        ("Stream Key", "`mosaicast streams create NAME` prints it"),
        "Watch",
        ("page", f"{addresses.api_url}/watch/STREAM_ID"),
        ("RTMP", f"{addresses.rtmp_url}/masked/STREAM_ID"),
        ("HLS", f"{addresses.hls_url}/STREAM_ID.m3u8"),
        "Operate",
        ("status", f"{addresses.api_url}/status"),
        ("API", f"{addresses.api_url}/docs"),
        ("data", str(data_dir.resolve())),
        *_exports(addresses),
    )


def _exports(addresses: "Addresses") -> tuple[str, ...]:
    if addresses.api_url == DEFAULT_URL:
        return ()
    return "For the other commands", f"export MOSAICAST_API_URL={addresses.api_url}"
