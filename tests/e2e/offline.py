"""A network namespace in which every address leads nowhere, and a witness of what was tried.

Run inside `unshare --net`: loopback works, everything else has a route that ends in it. A call home therefore makes a
packet, which the witness sees, whichever process or library sends it.
"""

import ctypes
import fcntl
import ipaddress
import json
import socket
import struct
import sys
import threading
from pathlib import Path

from services.cli.client import ApiClient
from services.cli.stack import SERVICES, Stack, StackOptions
from synthetic.cast import load_cast
from synthetic.oracle import Oracle, SourceClip
from synthetic.processes import children_of, tree
from synthetic.session import LiveWatch, Session, wait_until

TOKEN = "offline-administrator"
STRANGERS = ("192.0.2.1", "198.51.100.7", "2001:db8::1")  # RFC 5737, RFC 3849: nobody's
_UP = 0x1
_SET_ADDRESS, _GET_FLAGS, _SET_FLAGS, _ADD_ROUTE, _ETH_ALL = 0x8916, 0x8913, 0x8914, 0x890B, 0x0003


class _Route(ctypes.Structure):  # linux/route.h
    _fields_ = (
        ("pad1", ctypes.c_ulong), ("dst", ctypes.c_char * 16), ("gateway", ctypes.c_char * 16),
        ("mask", ctypes.c_char * 16), ("flags", ctypes.c_ushort), ("pad2", ctypes.c_short), ("pad3", ctypes.c_ulong),
        ("pad4", ctypes.c_void_p), ("metric", ctypes.c_short), ("device", ctypes.c_char_p), ("mtu", ctypes.c_ulong),
        ("window", ctypes.c_ulong), ("irtt", ctypes.c_ushort),
    )  # fmt: skip


class _Route6(ctypes.Structure):  # linux/ipv6_route.h
    _fields_ = (
        ("dst", ctypes.c_char * 16), ("src", ctypes.c_char * 16), ("gateway", ctypes.c_char * 16),
        ("type", ctypes.c_uint32), ("dst_len", ctypes.c_uint16), ("src_len", ctypes.c_uint16),
        ("metric", ctypes.c_uint32), ("info", ctypes.c_ulong), ("flags", ctypes.c_uint32), ("index", ctypes.c_int),
    )  # fmt: skip


def lead_everything_to_loopback() -> None:
    """Bring up `lo` with an address of its own besides 127.0.0.1, and route all there is into it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        name, request = b"lo", struct.Struct("16sH14x")
        flags = request.unpack(fcntl.ioctl(link, _GET_FLAGS, request.pack(name, 0)))[1]
        fcntl.ioctl(link, _SET_FLAGS, request.pack(name, flags | _UP))
        # A second address: packets to elsewhere do not leave with the source 127.0.0.1.
        address = struct.pack("16sHH4s8x", b"lo:1", socket.AF_INET, 0, socket.inet_aton("10.255.255.1"))
        fcntl.ioctl(link, _SET_ADDRESS, address)
        anywhere = struct.pack("HH12x", socket.AF_INET, 0)
        route = _Route(dst=anywhere, mask=anywhere, flags=_UP, device=name)
        _libc_ioctl(link, route)
    if not socket.has_ipv6:
        return
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as link:
        index = socket.if_nametoindex("lo")
        fcntl.ioctl(link, _SET_ADDRESS, socket.inet_pton(socket.AF_INET6, "fd00::1") + struct.pack("=Ii", 128, index))
        _libc_ioctl(link, _Route6(metric=1, flags=_UP, index=index))


def _libc_ioctl(link: socket.socket, route: ctypes.Structure) -> None:
    if ctypes.CDLL(None, use_errno=True).ioctl(link.fileno(), ctypes.c_ulong(_ADD_ROUTE), ctypes.byref(route)):
        raise OSError(ctypes.get_errno(), "no route into loopback")


class Witness:
    """Sees every packet to an address that is not loopback, and every question to a resolver."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_ALL))
        self._socket.bind(("lo", _ETH_ALL))
        code = b"".join(struct.pack("=HBBI", *step) for step in _FILTER)
        held = ctypes.create_string_buffer(code, len(code))
        program = struct.pack("HL", len(_FILTER), ctypes.addressof(held))
        self._socket.setsockopt(socket.SOL_SOCKET, 26, program)  # SO_ATTACH_FILTER
        self._seen: set[str] = set()
        self._news = threading.Condition()
        threading.Thread(target=self._look, daemon=True).start()

    def saw(self, address: str) -> bool:
        """Wait for a packet to an address."""
        with self._news:
            return self._news.wait_for(lambda: any(address in seen for seen in self._seen), 10)

    def forget(self) -> None:
        """Begin anew."""
        with self._news:
            self._seen.clear()

    def report(self) -> list[str]:
        """Return what was seen, each once."""
        with self._news:
            return sorted(self._seen)

    def _look(self) -> None:
        while True:
            packet, sender = self._socket.recvfrom(65536)
            # On loopback each packet is seen twice, on its way out and in; the second may be late.
            told = None if sender[2] == socket.PACKET_OUTGOING else _destination(packet)
            if told is not None:
                with self._news:
                    self._seen.add(told)
                    self._news.notify_all()


# Classic BPF, so that a broadcast on loopback never fills the witness' buffer: 127.0.0.0/8 and ::1 are left out, but
# for port 53.
_FILTER = (
    (0x30, 0, 0, 0), (0x74, 0, 0, 4), (0x15, 6, 0, 6),
    (0x20, 0, 0, 16), (0x54, 0, 0, 0xFF000000), (0x15, 0, 13, 0x7F000000), (0xB1, 0, 0, 0), (0x48, 0, 0, 2),
    (0x15, 10, 11, 53),
    (0x20, 0, 0, 24), (0x15, 0, 8, 0), (0x20, 0, 0, 28), (0x15, 0, 6, 0), (0x20, 0, 0, 32), (0x15, 0, 4, 0),
    (0x20, 0, 0, 36), (0x15, 0, 2, 1), (0x28, 0, 0, 42), (0x15, 0, 1, 53),
    (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0),
)  # fmt: skip


def _destination(packet: bytes) -> str | None:
    if packet[0] >> 4 == 6:
        address, protocol, at = packet[24:40], packet[6], 40
    else:
        address, protocol, at = packet[16:20], packet[9], 4 * (packet[0] & 15)
    if protocol == socket.IPPROTO_ICMPV6:
        # A route of IPv6 into loopback refuses; the refusal carries the packet. The rest is the kernel's housekeeping.
        return _destination(packet[48:]) if packet[40] == 1 else None
    return f"{ipaddress.ip_address(address)} port {int.from_bytes(packet[at + 2 : at + 4], 'big')}"


def call_strangers() -> None:
    """Try addresses that are nobody's, as a library that calls home would."""
    for address in STRANGERS:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as calling:
            calling.setblocking(False)
            calling.connect_ex((address, 443))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.sendto(b"who", ("127.0.0.1", 53))


def secrets_of(stack: Stack) -> dict[str, list[str]]:
    """Return our names in the environment of each process: services by name, all that runs below them as `below`."""
    found: dict[str, set[str]] = {"below": set()}
    for name in (*SERVICES, "edge"):
        pid = stack.process(name).pid
        for below in tree(pid):
            found.setdefault(name if below == pid else "below", set()).update(_ours(below))
    return {name: sorted(names) for name, names in found.items()}


def _ours(pid: int) -> set[str]:
    words = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    return {word.partition("=")[0] for word in words if word.startswith("MOSAICAST_")}


def broadcast(folder: Path, clip: Path) -> dict[str, object]:
    """Run a stack, enroll a person, publish and watch for a while; return what was seen."""
    lead_everything_to_loopback()
    witness = Witness()
    call_strangers()
    trap = all(witness.saw(address) for address in (*STRANGERS, "127.0.0.1 port 53"))
    witness.forget()
    options = StackOptions(folder / "data", rtmp_port=0, http_port=0, api_port=0, admin_token=TOKEN)
    with Stack(options) as stack:
        addresses = stack.start()
        with ApiClient(addresses.api_url, TOKEN) as api:
            session = Session(stack, api, folder)
            session.enroll("Eileen", load_cast()["astronaut"])
            stream = session.create("offline")
            oracle = Oracle([SourceClip.load(clip)], ["astronaut"])
            with session.publish(clip, stream), LiveWatch(stream.rtmp_url, oracle) as watch:
                wait_until(lambda: watch.count("clean") >= 45, 60, "3 s of masked frames")
                secrets = secrets_of(stack)
                children = [len(children_of(child)) for name in ("ingest", "compositor") for child in children_of(
                    stack.process(name).pid
                )]  # fmt: skip
                leaks = len(watch.report().leaks)
    return {"trap": trap, "strange": witness.report(), "leaks": leaks, "secrets": secrets, "children": sum(children)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(broadcast(Path(sys.argv[1]), Path(sys.argv[2]))))
