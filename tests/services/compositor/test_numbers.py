"""Whatever the log loses of a stream, a later keyframe tells how much it was."""

from hypothesis import given
from hypothesis import strategies as st

from mosaicast.contracts.messages import MediaPacket
from services.compositor.numbers import UnitNumbers
from tests.services.compositor.fakes import packet

lost = st.lists(st.booleans(), min_size=1, max_size=8)
epochs = st.lists(lost, min_size=1, max_size=8)
"""Of each epoch, which of its video packets are lost; every third one is a keyframe."""


def read(losses: list[list[bool]]) -> list[tuple[MediaPacket, bool]]:
    """Return the packets of these epochs, and whether each is lost."""
    packets, before = [], 0
    for epoch, flags in enumerate(losses, start=5):
        for unit, is_lost in enumerate(flags):
            key = unit % 3 == 0
            since = (5, before) if key else (0, 0)
            packets.append((packet(unit, epoch=epoch, unit=unit, key=key, since=since), is_lost))
        before += len(flags)
    return packets


@given(epochs)
def test_all_that_is_lost_after_the_first_keyframe_is_told_once(losses: list[list[bool]]) -> None:
    losses = [[False, *losses[0]], *losses[1:], [False]]  # what comes before a first keyframe is nobody's
    numbers, told = UnitNumbers(), 0
    for one, is_lost in read(losses):
        if not is_lost:
            assert not numbers.told(one)
            told += numbers.missing(one)
    assert told == sum(flag for flags in losses for flag in flags)


@given(epochs, st.integers(0, 20))
def test_an_instance_that_begins_in_between_is_told_no_more_than_what_is_lost_since(
    losses: list[list[bool]], begins: int
) -> None:
    numbers, told = UnitNumbers(), 0
    packets = read([*losses, [False]])[begins:]
    for one, is_lost in packets:
        if not is_lost:
            told += numbers.missing(one)
    assert told <= sum(is_lost for _, is_lost in packets)


def test_a_packet_whose_epoch_is_over_and_told_comes_too_late() -> None:
    numbers = UnitNumbers()
    numbers.missing(packet(0, epoch=1, unit=0, key=True, since=(1, 0)))
    assert numbers.missing(packet(0, epoch=2, unit=0, key=True, since=(1, 3))) == 2
    assert numbers.told(packet(2, epoch=1, unit=2))
    assert not numbers.told(packet(3, epoch=1, unit=3)), "ingest did not count it when that epoch ended"
