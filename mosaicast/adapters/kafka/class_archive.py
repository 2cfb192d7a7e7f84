"""Makes the archive of classes with which our Kafka starts quicker: `python -m mosaicast.adapters.kafka.class_archive`.

A Kafka is started in a folder of its own, is asked for all topics, and writes down at its end which classes it loaded
(the JVM's class data sharing). No message ever is in it. Another Java or other jars need another archive: the set-up
calls this each time, and where the archive is there already nothing is done.
"""

import sys
import tempfile
from pathlib import Path

from mosaicast.adapters.kafka.config import KafkaConfig
from mosaicast.adapters.kafka.errors import BusError
from mosaicast.adapters.kafka.server import KafkaServer, class_archive, find_java, jars_folder, missing
from mosaicast.adapters.kafka.topics import ensure_topics


def make() -> Path:
    """Make the archive, unless it is there, and return its path.

    Raises:
        BusError: Kafka or a Java is missing, or the JVM made none; it does without then.
    """
    java, lack = find_java(), missing()
    if java is None or lack is not None:
        raise BusError(lack or "no Java", fault="operator", retry=False)
    archive = class_archive(java)
    if not archive.exists():
        with tempfile.TemporaryDirectory(dir=jars_folder()) as folder:
            _make_in(Path(folder), archive)
    return archive


def _make_in(folder: Path, archive: Path) -> None:
    made = folder / archive.name
    with KafkaServer(folder / "data", archive_to=made) as server:
        ensure_topics(KafkaConfig(server.bootstrap, "class-archive"))
    if not made.exists():
        raise BusError("this Java made no archive of classes", fault="operator", retry=False)
    for older in jars_folder().glob("classes-*.jsa"):
        older.unlink()
    made.chmod(0o644)  # no secret: whoever may run the program reads it
    made.rename(archive)


def main() -> int:
    """Make it, and say where it is; return the exit status."""
    try:
        sys.stdout.write(f"{make()}\n")
    except BusError as exc:
        sys.stderr.write(f"no archive of classes: {exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
