"""Blocks of settings. Services share them."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from mosaicast.core.allowed import FILE_CODECS, FILE_FORMATS, LIVE_CODECS, Allowed


class EdgeSettings(BaseModel):
    """The media server."""

    rtmp_url: str = "rtmp://127.0.0.1:1935"
    """Where services reach it."""
    public_rtmp_url: str = "rtmp://127.0.0.1:1935"
    """Where streamers and viewers reach it."""
    public_hls_url: str = "http://127.0.0.1:8080/hls"
    token: SecretStr = SecretStr("")
    """Presented by our services to play raw pictures and to publish masked ones, and by the edge's hooks."""


class ControlSettings(BaseModel):
    """The media server's own pages, for the api: who publishes, and cutting somebody off."""

    url: str | None = None
    """Where nginx-rtmp's `/stat` and `/control` are, e.g. http://127.0.0.1:8081; None: they are not used."""
    token: SecretStr = SecretStr("")
    """Presented there."""


class ApiSettings(BaseModel):
    """The HTTP API."""

    host: str = "127.0.0.1"
    port: int = 8000
    admin_token: SecretStr | None = None
    """Preset administrator token; None: one is made at first start and printed once."""


class QdrantSettings(BaseModel):
    """The gallery of enrolled faces."""

    url: str | None = None
    """A server; None: local mode in `data_dir`/qdrant."""
    api_key: SecretStr | None = None
    timeout_s: float = 0.5


class DetectorSettings(BaseModel):
    """The face detector."""

    model: Literal["centerface", "mtcnn", "ultralytics"] = "centerface"
    weights: Path | None = None
    """For ultralytics: the operator's detector file."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    width: int = Field(default=736, ge=320, le=1600)
    """Pixels that a 16:9 picture's width is scaled to; 832 finds smaller faces and costs a third more."""
    workers: int = Field(default=1, ge=1, le=64)
    batch: int = Field(default=1, ge=1, le=64)
    """Frames a run; a CPU gains nothing from more than one."""


class GuardSettings(BaseModel):
    """The output guard: the detector looks at the masked picture too, and what it should not see trips full mosaic."""

    looks_per_s: float = Field(default=1.0, ge=0.0, le=10.0)
    """Of each stream; 0 switches it off. One a second costs about 2 % of the pipeline's CPU."""


class RecognitionSettings(BaseModel):
    """The networks that say who is who, by the names of `mosaicast models list`.

    After a change the people who are enrolled stay masked until `mosaicast reindex` has run.
    """

    first: str = "dlib-resnet"
    """Looks at every candidate."""
    first_floor: float | None = Field(default=None, ge=0.2, le=1.0)
    """Cosine from which a look may be the person; None: the measured one, or .97 for a network that nobody measured.
    `mosaicast calibrate` recommends one for your pictures."""
    second: str = "facenet-casia"
    """Must say the same before anybody is seen; `none`: the first decides alone."""
    second_floor: float | None = Field(default=None, ge=0.2, le=1.0)
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    """Where FaceNet runs; the others run on the CPU. CUDA needs the extra `gpu`."""

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


class MediaSettings(BaseModel):
    """What the media of strangers may be; everything else is refused before a decoder sees it.

    FFmpeg's names: of codecs as `ffmpeg -codecs` lists them, of containers as `ffmpeg -demuxers` does.
    """

    live_codecs: Names = LIVE_CODECS
    file_codecs: Names = FILE_CODECS
    file_formats: Names = FILE_FORMATS

    @property
    def live(self) -> Allowed:
        """What a live source may be."""
        return Allowed.live(self.live_codecs)

    @property
    def file(self) -> Allowed:
        """What a file may be."""
        return Allowed.file(self.file_codecs, self.file_formats)


class DatabaseSettings(BaseModel):
    """The api's database."""

    url: str | None = None
    """SQLAlchemy URL; None: SQLite in `data_dir`."""


class VaultSettings(BaseModel):
    """The photos of enrolled people, encrypted in `data_dir`/vault, and the templates of the gallery's local mode."""

    key: SecretStr | None = None
    """Base64 of 32 random bytes (`openssl rand -base64 32`); None: one is made at the first start, in
    `data_dir`/secrets/vault_key, where a copy of the whole folder has both."""
