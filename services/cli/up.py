"""`mosaicast up`: the whole product on this machine until Ctrl-C."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.folders import DataDir, chosen_models_dir, settings_for
from services.cli.printing import AsJson, complain, err, print_json, print_table

if TYPE_CHECKING:
    from mosaicast.runtime.settings import Settings
    from services.cli.stack import Addresses, StackOptions


def up(  # noqa: PLR0913, PLR0917 - a parameter an option
    data_dir: DataDir = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every network.")] = "127.0.0.1",
    public_host: Annotated[str, typer.Option(help="How streamers and viewers name this machine.")] = "127.0.0.1",
    rtmp_port: Annotated[int, typer.Option(min=0, max=65535, help="RTMP, in and out; 0: any free one.")] = 1935,
    http_port: Annotated[int, typer.Option(min=0, max=65535, help="HLS; 0: any free one.")] = 8080,
    api_port: Annotated[int, typer.Option(min=0, max=65535, help="The API and its pages; 0: any free one.")] = 8000,
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
        public_host=public_host,
        rtmp_port=rtmp_port,
        http_port=http_port,
        api_port=api_port,
        kafka="real" if kafka else "embedded",
        bootstrap=bootstrap,
        security=settings.kafka,
        media_dir=media_dir,
    )
    _run(options, as_json)


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

    for sentence in rights.mend(options.data_dir):
        complain(sentence)
    stop = StopEvent().install()
    with Stack(options) as stack, err.status("starting") as status:
        addresses = stack.start(status.update)
        status.stop()
        _print_addresses(addresses, options.data_dir, as_json)
        if options.kafka == "embedded" and options.bootstrap is None:
            err.print("The embedded broker keeps everything in memory: for trying out, a few streams. See --kafka.")
        stop.wait()
        err.print("stopping")


def _print_addresses(addresses: "Addresses", data_dir: Path, as_json: bool) -> None:
    if as_json:
        return print_json({**asdict(addresses), "data_dir": str(data_dir.resolve())})
    return print_table("", "", rows=[
        ["publish to", f"{addresses.publish_url}   (stream key: `mosaicast streams create NAME`)"],
        ["watch", f"{addresses.rtmp_url}/masked/STREAM_ID"],
        ["watch (HLS)", f"{addresses.hls_url}/STREAM_ID.m3u8"],
        ["status page", f"{addresses.api_url}/status"],
        ["API", f"{addresses.api_url}/docs"],
        ["data", str(data_dir.resolve())],
    ])  # fmt: skip
