"""Reading pictures of strangers: decoded in a child with limits, never in the command's own process."""

from dataclasses import dataclass
from pathlib import Path

from mosaicast.adapters.media.photo_file import Decoded, PhotoError
from mosaicast.adapters.media.photos import LARGEST_PHOTO_BYTES, PhotoDecoder, check_size


@dataclass(frozen=True, slots=True)
class PhotoReader:
    """Decodes each picture as the api does: a face is judged at the size at which it would be enrolled."""

    decoder: PhotoDecoder

    def read(self, path: Path) -> Decoded:
        """Return the picture in a file.

        Raises:
            PhotoError: it is none of the formats that we read, broken, animated, too large, or cannot be read.
        """
        return self.decoder.decode(_content(path))


def _content(path: Path) -> bytes:
    try:
        if not path.is_file():  # a pipe or device would be read for ever
            raise PhotoError("unreadable", "it is not a file")
        with path.open("rb") as file:
            data = file.read(LARGEST_PHOTO_BYTES + 1)
    except OSError as exc:
        raise PhotoError("unreadable", f"it can't be read: {exc.strerror}") from exc
    check_size(len(data))
    return data
