"""Blocks of settings. Services share them."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from mosaicast.core.allowed import FILE_CODECS, FILE_FORMATS, LIVE_CODECS, Allowed


class Block(BaseModel):
    """Settings that belong together. The text below a setting is its description in docs/reference/settings.md."""

    # Without `use_attribute_docstrings`: each process would read its own source at its start, for 0.2 s.


class EdgeTokenSettings(Block):
    """What every client of the media server needs."""

    token: SecretStr = SecretStr("")
    """Secret of the media server: services present it to play raw pictures and to publish masked ones, the media
    server presents it to the api's hooks. The same everywhere."""


class EdgeInnerSettings(EdgeTokenSettings):
    """The media server, for services that pull from it or push to it."""

    rtmp_url: str = "rtmp://127.0.0.1:1935"
    """Where services reach the media server."""


Reached = Literal["rtmp", "hls", "api"]
"""What others reach at an address."""
_SCHEMES = {"rtmp": ("rtmp", "rtmps"), "hls": ("http", "https"), "api": ("http", "https")}


def public_url(kind: Reached, url: str) -> str:
    """Return the address under which others reach RTMP, HLS or the api, without a slash at its end.

    Raises:
        ValueError: it is none; the text says what is wanted.
    """
    wanted = " or ".join(f"{scheme}://" for scheme in _SCHEMES[kind])
    parts = urlsplit(url.strip())
    if parts.scheme not in _SCHEMES[kind] or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"an address that begins with {wanted} is wanted, without `?` and `#`")
    return url.strip().rstrip("/")


class EdgePublicSettings(EdgeTokenSettings):
    """The media server, for the api, which tells its addresses to users."""

    public_rtmp_url: str = "rtmp://127.0.0.1:1935"
    """Where streamers and viewers reach the media server by RTMP."""
    public_hls_url: str = "http://127.0.0.1:8080/hls"
    """Where viewers reach HLS."""

    @field_validator("public_rtmp_url")
    @classmethod
    def _reaches_rtmp(cls, url: str) -> str:
        return public_url("rtmp", url)

    @field_validator("public_hls_url")
    @classmethod
    def _reaches_hls(cls, url: str) -> str:
        return public_url("hls", url)


class EdgeSettings(EdgeInnerSettings, EdgePublicSettings):
    """The media server."""


class ControlSettings(Block):
    """The media server's own pages, for the api: who publishes, and cutting somebody off."""

    url: str | None = None
    """Where nginx-rtmp's `/stat` and `/control` are, e.g. http://127.0.0.1:8081. Without it they are not used."""
    token: SecretStr = SecretStr("")
    """Secret that the api presents to `/stat` and `/control`."""


class HlsSettings(Block):
    """Where HLS goes."""

    url: str | None = None
    """Control port of an edge on another machine, e.g. http://10.0.0.5:8081, that takes it by PUT and DELETE. Without
    it HLS is written to `data_dir`/hls, and an edge on this machine serves it."""
    token: SecretStr = SecretStr("")
    """Secret that the compositor presents there."""

    @field_validator("url")
    @classmethod
    def _reaches_edge(cls, url: str | None) -> str | None:
        return None if url is None else public_url("hls", url)


class ApiSettings(Block):
    """The HTTP API."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8000
    """Port to listen on."""
    public_url: str | None = None
    """Where viewers and operators reach it if a proxy is before it, e.g. https://live.example.org."""
    admin_token: SecretStr | None = None
    """Token of the administrator. Without it one is made at the first start and printed once."""

    @field_validator("public_url")
    @classmethod
    def _reaches_api(cls, url: str | None) -> str | None:
        return None if url is None else public_url("api", url)


class QdrantSettings(Block):
    """The gallery of enrolled faces."""

    url: str | None = None
    """Address of a Qdrant server. Without it the gallery is in local mode, in the data folder."""
    api_key: SecretStr | None = None
    """Key of the Qdrant server."""
    timeout_s: float = 0.5
    """Seconds until a request counts as failed."""


class DetectorSettings(Block):
    """The face detector."""

    model: Literal["centerface", "mtcnn", "ultralytics"] = "centerface"
    """Which network finds faces."""
    weights: Path | None = None
    """File with the network, for `ultralytics` only."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it runs; `auto` takes CUDA where there is one and the extra `gpu` is installed."""
    width: int = Field(default=736, ge=320, le=1600)
    """Pixels that a 16:9 picture's width is scaled to; 832 finds smaller faces and costs a third more."""
    workers: int = Field(default=1, ge=1, le=64)
    """How many copies of the network look at frames at once."""
    batch: int | None = Field(default=None, ge=1, le=64)
    """Frames of different streams that one run of the network takes; it waits at most 20 ms for them. Without it 1 on a
    CPU, which gains nothing from more, and 16 on CUDA. `mosaicast models bench` recommends one."""
    jpeg_threads: int | None = Field(default=None, ge=1, le=64)
    """Threads that read and write JPEGs for a run, all workers together. Without it 1 on a CPU, the worker's own, and
    4 beside CUDA."""


class GuardSettings(Block):
    """The output guard: the detector looks at the masked picture too, and what it should not see trips full mosaic."""

    looks_per_s: float = Field(default=1.0, ge=0.0, le=10.0)
    """Masked pictures a second of each stream that the detector checks; 0 switches the guard off. One costs about 2 %
    of the pipeline's CPU."""


class RecognitionSettings(Block):
    """The networks that say who is who, by the names of `mosaicast models list`.

    After a change the people who are enrolled stay masked until `mosaicast reindex` has run.
    """

    first: str = "mobilefacenet-512"
    """Network that looks at every candidate."""
    first_floor: float | None = Field(default=None, ge=0.2, le=1.0)
    """Cosine from which a face may be the person. Without it the measured one, or .97 for a network that nobody
    measured. `mosaicast calibrate` recommends one for your pictures."""
    second: str = "mobilefacenet-192"
    """Network that must say the same before anybody is seen; `none`: the first decides alone."""
    second_floor: float | None = Field(default=None, ge=0.2, le=1.0)
    """As `FIRST_FLOOR`, for the second network."""
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    """Where they run; templates are the same. CUDA needs the extra `gpu`; `auto` takes it where it is there."""
    batch: int | None = Field(default=None, ge=1, le=64)
    """Faces that are taken at once. Without it 4 on a CPU, where each is a run of its own, and 32 on CUDA, where they
    are one run. `mosaicast models bench` recommends one."""

    @field_validator("first", "second")
    @classmethod
    def _as_listed(cls, name: str) -> str:
        return name.replace("_", "-")  # as vectors are labelled, and as everybody mistypes it

    @model_validator(mode="after")
    def _two_opinions(self) -> Self:
        if self.first == self.second:
            raise ValueError("first and second are the same network: that is one opinion, say second=none")
        return self

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the networks, the first one first."""
        return (self.first,) if self.second == "none" else (self.first, self.second)

    @property
    def floors(self) -> tuple[float | None, ...]:
        """The floor of each network."""
        return (self.first_floor, self.second_floor)[: len(self.networks)]


Names = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+(,[A-Za-z0-9_]+)*$", max_length=2000)]
"""Names with commas between them, no spaces."""


class MediaSettings(Block):
    """What the media of strangers may be; everything else is refused before a decoder sees it.

    FFmpeg's names: of codecs as `ffmpeg -codecs` lists them, of containers as `ffmpeg -demuxers` does.
    """

    live_codecs: Names = LIVE_CODECS
    """Codecs of live sources, with commas between them."""
    file_codecs: Names = FILE_CODECS
    """Codecs of files."""
    file_formats: Names = FILE_FORMATS
    """Containers of files."""

    @property
    def live(self) -> Allowed:
        """What a live source may be."""
        return Allowed.live(self.live_codecs)

    @property
    def file(self) -> Allowed:
        """What a file may be."""
        return Allowed.file(self.file_codecs, self.file_formats)


class DatabaseSettings(Block):
    """The api's database."""

    url: str | None = None
    """SQLAlchemy URL; it may hold a password. Without it SQLite, in the data folder."""


class VaultSettings(Block):
    """The photos of enrolled people, encrypted in `data_dir`/vault, and the templates of the gallery's local mode."""

    key: SecretStr | None = None
    """Key of photos and templates: base64 of 32 random bytes (`openssl rand -base64 32`). Without it one is made at the
    first start, in `secrets/vault_key` of the data folder, where a copy of the whole folder has both."""
