"""`mosaicast`: run the product on one machine, and talk to a running one.

Exit status: 0 done, 1 failed (one plain sentence on standard error), 2 wrong usage.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from mosaicast.adapters.database.storage import StorageError
from mosaicast.adapters.gallery.qdrant import GalleryUnavailable
from mosaicast.adapters.kafka import BusError
from mosaicast.adapters.models.errors import ModelError
from mosaicast.adapters.vault import VaultError
from mosaicast.contracts.topics import Topology
from mosaicast.runtime import logs, rights
from mosaicast.runtime.lifecycle import StopEvent
from mosaicast.runtime.ports import PortTakenError
from mosaicast.runtime.settings import WrongSettingsError, load
from services.cli import checkup, models, people
from services.cli.calibrate import calibrate
from services.cli.client import ApiClient, ApiError
from services.cli.edge import EdgeMissingError
from services.cli.printing import DEFAULT_URL, ApiUrl, AsJson, Owner, Token, err, print_json, print_table
from services.cli.stack import Stack, StackError, StackOptions

FAILURES = (
    ApiError,
    StackError,
    EdgeMissingError,
    PortTakenError,
    BusError,
    ModelError,
    WrongSettingsError,
    checkup.DoctorError,
    StorageError,
    VaultError,
    GalleryUnavailable,
)
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
streams = typer.Typer(no_args_is_help=True, help="Streams: create, list, delete, new key, panic.")
app.command()(people.enroll)
app.add_typer(streams, name="streams")
app.add_typer(people.people, name="people")
app.command()(people.reindex)
app.command()(calibrate)
app.command(name="doctor")(checkup.doctor)
app.add_typer(models.app, name="models")


@app.command()
def up(
    data_dir: Annotated[Path, typer.Option(help="Database, gallery, logs, HLS segments.")] = Path("var/data"),
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every network.")] = "127.0.0.1",
    public_host: Annotated[str, typer.Option(help="How streamers and viewers name this machine.")] = "127.0.0.1",
    rtmp_port: Annotated[int, typer.Option(min=0, max=65535)] = 1935,
    http_port: Annotated[int, typer.Option(min=0, max=65535, help="HLS.")] = 8080,
    api_port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    kafka: Annotated[bool, typer.Option("--kafka", help="Run a real Apache Kafka (`make setup-kafka`).")] = False,
    bootstrap: Annotated[str | None, typer.Option(help="Use the Apache Kafka at HOST:PORT.")] = None,
    media_dir: Annotated[Path | None, typer.Option(help="Allow files below it as sources.")] = None,
) -> None:
    """Run Mosaicast on this machine until Ctrl-C."""
    rights.make_private()
    if kafka and bootstrap:
        raise typer.BadParameter("--kafka runs a Kafka of our own, --bootstrap uses yours: choose one")
    settings = load()
    if bootstrap is None and settings.kafka.security_protocol != "plaintext":
        raise typer.BadParameter("MOSAICAST_KAFKA__SECURITY_PROTOCOL is for a Kafka of yours: name it with --bootstrap")
    if not kafka and bootstrap is None and settings.kafka.topology != Topology():
        raise typer.BadParameter("MOSAICAST_KAFKA__PARTITIONS is for a real Kafka: say --kafka or --bootstrap")
    models.require_chosen(settings)  # before anything runs: five services that do not start say less
    options = StackOptions(
        data_dir=data_dir,
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
    for sentence in rights.mend(data_dir):
        err.print(f"mosaicast: {sentence}", markup=False)
    _run(options)


def _run(options: StackOptions) -> None:
    stop = StopEvent().install()
    with Stack(options) as stack, err.status("starting") as status:
        addresses = stack.start(status.update)
        status.stop()
        _print_addresses(addresses.publish_url, addresses.rtmp_url, addresses.hls_url, addresses.api_url)
        if options.kafka == "embedded" and options.bootstrap is None:
            err.print("The embedded broker keeps everything in memory: for trying out, a few streams. See --kafka.")
        stop.wait()
        err.print("stopping")


@streams.command("create")
def streams_create(
    name: Annotated[str, typer.Argument(help="A title for people.")],
    token: Token,
    owner: Owner = "default",
    api_url: ApiUrl = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Create a stream; prints its key, which is shown this once."""
    with ApiClient(api_url, token) as api:
        stream = api.post("/v1/streams", {"name": name, "owner": owner})
    if as_json:
        return print_json(stream)
    return _print_stream(stream)


@streams.command("list")
def streams_list(token: Token, api_url: ApiUrl = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List the streams and what becomes of their frames."""
    with ApiClient(api_url, token) as api:
        found = api.get("/v1/status")["streams"]
    if as_json:
        return print_json(found)
    return print_table("stream", "name", "state", "reason", rows=[
        [s["stream_id"], s["name"], s["state"], s.get("reason", "")] for s in found
    ])  # fmt: skip


@streams.command("delete")
def streams_delete(stream_id: str, token: Token, api_url: ApiUrl = DEFAULT_URL) -> None:
    """Delete a stream; whoever publishes on it is cut off."""
    with ApiClient(api_url, token) as api:
        api.delete(f"/v1/streams/{stream_id}")


@streams.command("key")
def streams_key(stream_id: str, token: Token, api_url: ApiUrl = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Make a new stream key; the old one is refused from now on."""
    with ApiClient(api_url, token) as api:
        stream = api.post(f"/v1/streams/{stream_id}/key")
    if as_json:
        return print_json(stream)
    return _print_stream(stream)


@streams.command("panic")
def streams_panic(
    stream_id: str,
    token: Token,
    release: Annotated[bool, typer.Option("--release", help="End the full mosaic.")] = False,
    api_url: ApiUrl = DEFAULT_URL,
) -> None:
    """Mosaic the whole picture until released."""
    with ApiClient(api_url, token) as api:
        if release:
            api.delete(f"/v1/streams/{stream_id}/panic")
        else:
            api.post(f"/v1/streams/{stream_id}/panic")


def main() -> None:
    """Run the command line; a failure is one sentence and exit status 1."""
    logs.configure("cli", level="WARNING")
    _guard(app)


def _guard(run: Callable[[], Any]) -> None:
    try:
        run()
    except FAILURES as exc:
        err.print(f"mosaicast: {exc}", markup=False)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _print_stream(stream: dict[str, Any]) -> None:
    texts = {key: value for key, value in stream.items() if isinstance(value, str)}
    print_table("", "", rows=[[key.replace("_", " "), text] for key, text in texts.items()])


def _print_addresses(publish: str, rtmp: str, hls: str, api: str) -> None:
    print_table("", "", rows=[
        ["publish to", f"{publish}   (stream key: `mosaicast streams create NAME`)"],
        ["watch", f"{rtmp}/masked/STREAM_ID"],
        ["watch (HLS)", f"{hls}/STREAM_ID.m3u8"],
        ["status page", f"{api}/status"],
        ["API", f"{api}/docs"],
    ])  # fmt: skip


if __name__ == "__main__":
    main()
