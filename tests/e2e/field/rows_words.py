"""What the status says of those who are refused, of those who send nothing that can be masked, and of who has gone."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from synthetic import presets
from synthetic.cast import load_cast
from synthetic.clip import write_clip
from synthetic.publisher import Publisher
from tests.e2e.field.inputs import AAC, ffmpeg, media
from tests.e2e.field.playing import PLAIN
from tests.e2e.field.rows import Live, Publish, Row, once_more

NOBODY = r"Nobody is publishing\."
HERE = "127.0.0.1"


def to(address: Callable[[Live], str]) -> Publish:
    """Publish with a real ffmpeg to another address than the right one."""
    return lambda live, path: Publisher(path, address(live))


def by_key(key: Callable[[str], str]) -> Publish:
    return to(lambda live: f"{live.session.stack.addresses.publish_url}/{key(live.stream.key)}")


def refused(live: Live, why: str) -> dict[str, Any] | None:
    """What the stream's status says of a publisher that was refused for one reason."""
    told = live.session.status(live.stream)["refused"]
    return next((one for one in told if one["why"] == why), None)


def refused_at_edge(live: Live, why: str) -> int:
    """How many the status says were refused at the edge for one reason."""
    told = live.session.api.get("/v1/status")["edge"]["refused"]
    return sum(one["times"] for one in told if one["why"] == why and one["address"] == HERE)


def reasons(live: Live, stream_id: str | None) -> list[str]:
    """What the api's log says of publishers that were refused on a stream; None: of those that nobody knows."""
    log = (live.session.stack.options.data_dir / "logs" / "api.log").read_text()
    assert live.stream.key not in log
    told = [json.loads(line) for line in log.splitlines() if '"publisher_refused"' in line and line.endswith("}")]
    return [line["reason"] for line in told if line["address"] == HERE and line["stream"] == stream_id]


def at_stream(why: str) -> Callable[[Live], None]:
    """The stream's status and one line of the log say why, and where the publisher came from."""

    def during(live: Live) -> None:
        live.until(lambda: refused(live, why) is not None, why)
        told = refused(live, why)
        assert told is not None
        assert told["address"] == HERE
        live.until(lambda: reasons(live, live.stream.stream_id) == [why], "one line of the log")

    return during


def at_edge(why: str) -> Callable[[Live], None]:
    """The edge's status and a line of the log say why."""

    def during(live: Live) -> None:
        live.until(lambda: refused_at_edge(live, why) > 0, why)
        assert refused(live, why) is None
        live.until(lambda: why in reasons(live, None), "a line of the log")

    return during


def clip(live: Live) -> Path:
    """Something to publish beside the row's own input."""
    path = live.folder / f"beside-{live.stream.stream_id}"
    media(seconds=10)(path)
    return path


def says_now(live: Live, state: str, sentence: str) -> None:
    """The state comes to this; what it was before does not count."""

    def true() -> bool:
        last = live.states[-1]
        return last.state == state and re.fullmatch(sentence, last.reason) is not None

    live.until(true, f"{state}: {sentence}")


def second_publisher(live: Live) -> None:
    """A second one is refused, named, and does the first no harm."""
    with Publisher(clip(live), live.url) as second:
        live.until(lambda: second.exit_status is not None, "the second one's end")
    at_stream("in_use")(live)
    says_now(live, "live", r"Somebody else tried to publish with this stream's key and was refused: .*\.")
    once_more(live)


def another_key(live: Live) -> None:
    """The old key is refused from the moment a new one is made, and who published with it is cut off."""
    before = refused_at_edge(live, "unknown_key")
    live.session.api.post(f"/v1/streams/{live.stream.stream_id}/key")
    says_now(live, "waiting", NOBODY)
    with Publisher(clip(live), live.url):
        live.until(lambda: refused_at_edge(live, "unknown_key") > before, "unknown_key")
    says_now(live, "waiting", NOBODY)


def deleted(live: Live) -> None:
    """The key of a stream that was deleted is one that nobody knows."""
    gone, before = live.session.create("gone", owner="field"), refused_at_edge(live, "unknown_key")
    live.session.api.delete(f"/v1/streams/{gone.stream_id}")
    with Publisher(clip(live), f"{live.session.stack.addresses.publish_url}/{gone.key}"):
        live.until(lambda: refused_at_edge(live, "unknown_key") > before, "unknown_key")
    assert gone.key not in (live.session.stack.options.data_dir / "logs" / "api.log").read_text()


def gone(live: Live) -> None:
    """A publisher who ends in order is not waited for, and not said to be there."""
    live.publisher.stop()
    says_now(live, "waiting", NOBODY)


def killed(live: Live) -> None:
    """One that dies without a word is gone when the edge notices."""
    live.publisher.kill()
    says_now(live, "waiting", NOBODY)


def expired(live: Live) -> None:
    """Who was seen is masked from the end of the consent on, and the state is no worse for it."""
    person = live.session.enroll("ann", load_cast()["astronaut"], owner="field")
    live.until(lambda: bool(live.session.status(live.stream)["visible"]), "the person is seen")
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    live.session.api.put(f"/v1/people/{person}/consents/{live.stream.stream_id}", {"allowed": True, "expires_at": soon})
    live.until(lambda: not live.session.status(live.stream)["visible"], "nobody is seen")
    live.until(lambda: live.session.status(live.stream)["tracks"].get("masked", 0) > 0, "the face is masked")
    assert live.session.status(live.stream)["visible"] == []
    live.session.api.delete(f"/v1/people/{person}")
    says_now(live, "live", "")


def one_person(path: Path) -> None:
    script = replace(presets.small(["astronaut"], seconds=16), fps=15)
    clip = path.with_suffix(".flv")
    write_clip(clip, script, load_cast())
    clip.rename(path)


def sound_alone(path: Path) -> None:
    ffmpeg(["-f", "lavfi", "-i", "sine=440:duration=40", *AAC, "-f", "flv", str(path)])


ROWS: tuple[Row, ...] = (
    Row("a wrong key", PLAIN, publish=by_key(lambda key: key + "x"), tracks=set(), state="waiting", sentence=NOBODY,
        during=at_edge("unknown_key")),
    Row("the id in place of the key", PLAIN,
        publish=to(lambda live: f"{live.session.stack.addresses.publish_url}/{live.stream.stream_id}"), tracks=set(),
        state="waiting", sentence=NOBODY, during=at_stream("id_for_key")),
    Row("published as a masked stream", PLAIN,
        publish=to(lambda live: f"{live.session.stack.addresses.rtmp_url}/masked/{live.stream.key}"), tracks=set(),
        state="waiting", sentence=NOBODY, during=at_stream("masked")),
    Row("the key in the server's address", PLAIN, publish=by_key(lambda key: f"{key}/nothing"), tracks=set(),
        state="waiting", sentence=NOBODY, during=at_stream("wrong_address")),
    Row("a key with a space behind it", PLAIN, publish=by_key(lambda key: key + " ")),
    Row("a key with the end of its line", PLAIN, publish=by_key(lambda key: key + "\r\n"), during=gone),
    Row("a second publisher", PLAIN, during=second_publisher),
    Row("a key in whose place there is another", PLAIN, during=another_key),
    Row("the key of a deleted stream", PLAIN, during=deleted),
    Row("a publisher who has gone", PLAIN, during=gone),
    Row("a publisher who was killed", PLAIN, during=killed),
    Row("a publisher without a picture", sound_alone, tracks=set(), state="starting",
        sentence=r"The source has no video track\."),
    Row("a codec that is not let in", media(picture=("-c:v", "flv", "-g", "24")), tracks=set(), state="refused",
        sentence=r"The video of the source is flv1, which is not among the codecs that are let in; .*\."),
    Row("a consent that runs out", one_person, during=expired),
)  # fmt: skip
