"""MPEG-TS (ISO 13818-1): which tracks a segment really has, and tables that say so."""

import numpy as np
from numpy.typing import NDArray

_PACKET, _SYNC, _PAT_PID = 188, 0x47, 0
_SOUND_TYPES = frozenset({0x03, 0x04, 0x0F})
"""MPEG audio and AAC (table 2-34)."""
_POLYNOMIAL = 0x04C11DB7
_FIXED_BYTES, _ENTRY_BYTES, _CRC_BYTES = 12, 5, 4
"""Of a PMT: before the list of tracks (descriptors aside), of an entry (likewise), and behind the list."""


def without_absent_sound(data: bytes) -> tuple[bytes, bool]:
    """Return a segment whose tables name no sound that is not in it, and whether there is sound in it.

    A muxer writes the tables before it knows what comes. Each table is one section in one packet, as FFmpeg writes it;
    what looks otherwise is left as it is.
    """
    packets = np.frombuffer(data[: len(data) // _PACKET * _PACKET], np.uint8).reshape(-1, _PACKET)
    pids: NDArray[np.uint16] = np.asarray((packets[:, 1].astype(np.uint16) & 0x1F) << 8 | packets[:, 2], np.uint16)
    table_pid = _table_pid(packets, pids)
    tables = np.flatnonzero(pids == table_pid)
    if table_pid == _PAT_PID or not len(tables):
        return data, False
    sound = _sound_pids(bytes(packets[tables[0]]))
    if not sound or bool(np.isin(pids, sorted(sound)).any()):
        return data, bool(sound)
    cleared = bytearray(data)
    for number in tables:
        at = int(number) * _PACKET
        cleared[at : at + _PACKET] = _without_sound(data[at : at + _PACKET])
    return bytes(cleared), False


def _table_pid(packets: NDArray[np.uint8], pids: NDArray[np.uint16]) -> int:
    """Return the PID of the table of tracks, 0 if nothing says."""
    first = np.flatnonzero(pids == _PAT_PID)
    if not len(first):
        return _PAT_PID
    packet = bytes(packets[first[0]])
    at = _section_at(packet)
    return 0 if at + 12 > _PACKET else (packet[at + 10] & 0x1F) << 8 | packet[at + 11]


def _section_at(packet: bytes) -> int:
    """Return where the section of a packet begins; beyond its end if none does."""
    if packet[0] != _SYNC or not packet[1] & 0x40:
        return _PACKET
    at = 4 if not packet[3] & 0x20 else 5 + packet[4]
    return at + 1 + packet[at] if at < _PACKET else _PACKET


def _entries(packet: bytes) -> list[tuple[int, int]]:
    """Return from where to where each entry of a table of tracks reaches."""
    at = _section_at(packet)
    if at + _FIXED_BYTES > _PACKET:
        return []
    end = at + 3 + ((packet[at + 1] & 0x0F) << 8 | packet[at + 2]) - _CRC_BYTES
    entry, found = at + _FIXED_BYTES + ((packet[at + 10] & 0x0F) << 8 | packet[at + 11]), []
    while entry + _ENTRY_BYTES <= min(end, _PACKET):
        after = entry + _ENTRY_BYTES + ((packet[entry + 3] & 0x0F) << 8 | packet[entry + 4])
        found.append((entry, after))
        entry = after
    return found


def _sound_pids(packet: bytes) -> set[int]:
    return {
        (packet[entry + 1] & 0x1F) << 8 | packet[entry + 2]
        for entry, _ in _entries(packet)
        if packet[entry] in _SOUND_TYPES
    }


def _without_sound(packet: bytes) -> bytes:
    entries = _entries(packet)
    if not entries:
        return packet
    at = _section_at(packet)
    kept = b"".join(packet[entry:after] for entry, after in entries if packet[entry] not in _SOUND_TYPES)
    section = bytearray(packet[at : entries[0][0]] + kept)
    length = len(section) - 3 + _CRC_BYTES
    section[1:3] = (packet[at + 1] & 0xF0 | length >> 8).to_bytes(1, "big") + (length & 0xFF).to_bytes(1, "big")
    whole = packet[:at] + bytes(section) + _crc(section).to_bytes(_CRC_BYTES, "big")
    return whole + b"\xff" * (_PACKET - len(whole))


def _crc(data: bytes | bytearray) -> int:
    """CRC-32/MPEG-2 (annex A)."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (_POLYNOMIAL if value & 0x80000000 else 0)) & 0xFFFFFFFF
    return value
