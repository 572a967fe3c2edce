# SPDX-License-Identifier: Apache-2.0
"""Traffic for the system tests: a pinger that counts what is lost, sniffers,
and senders of frames that no kernel would send.

Sockets are opened here, in the test, but live in a namespace of a host: a
frame costs microseconds, and no command has to start or to end for it.
"""

import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import threading
import time

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import in6_getnsma, in6_getnsmac
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN

from host import wait_for

ETH_P_ALL = 3
RECEIVE_BUFFER = 16 << 20
SO_RCVBUFFORCE = 33
BROADCAST = "ff:ff:ff:ff:ff:ff"
BURST = 100                         # A packet socket holds 277 small frames.


def open_socket(node, netns, *args):
    """socket.socket(*args) inside a host's named namespace, or with None in
    the host's own."""
    return node.open_socket(netns, *args)


def solicited(ip):
    """The group, and its MAC, that is asked for IPv6 address 'ip'."""
    group = in6_getnsma(socket.inet_pton(socket.AF_INET6, ip))
    return socket.inet_ntop(socket.AF_INET6, group), in6_getnsmac(group)


def vxlan(vni, inner):
    """The UDP payload that carries a frame."""
    return bytes(VXLAN(flags="Instance", vni=vni)) + bytes(inner)


def send_tunnelled(node, source, target, frames, vni=100, port=4789):
    """Sends frames in VXLAN from 'node', which need not have a tunnel."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    with open_socket(node, None, family, socket.SOCK_DGRAM) as sender:
        sender.bind((source, 0))
        for frame in frames:
            sender.sendto(vxlan(vni, frame), (target, port))


class Pinger:
    """Pings during a `with`, 100 times a second, once no link that came or
    went before disturbs it.

    At its end it waits for one more answer, so that what is still on its way
    is not counted as lost, and knows 'sent', 'lost' and 'duplicates'.
    """

    def __init__(self, node, address, netns=None, interval=0.01, timeout=6):
        self._node = node
        self._argv = ["ping", "-n", "-i", interval, str(address)]
        self._netns = netns
        self._timeout = timeout
        self._seen = {}             # Sequence number to time of arrival.
        self._twice = []
        self.sent = 0

    def __enter__(self):
        self._node.lab.settle()
        self._seen, self._twice = {}, []        # It may be the second time.
        self._process = self._node.popen(self._argv, self._netns,
                                         stdout=subprocess.PIPE)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        try:
            self.wait_answer()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.wait_answer()
        finally:
            self._stop()

    @property
    def lost(self):
        return self.lost_since(0)

    def mark(self):
        """A point in time, for the two below."""
        return max(self._seen, default=0)

    def lost_since(self, mark):
        return [n for n in range(mark + 1, self.mark()) if n not in self._seen]

    def duplicates_since(self, mark):
        return [n for n in self._twice if n > mark]

    def first_after(self, moment):
        """How many seconds after that moment the next answer came."""
        return min(time for time in self._seen.copy().values()
                   if time > moment) - moment

    @property
    def duplicates(self):
        return len(self._twice)

    @property
    def longest_gap(self):
        """The longest time in which nothing arrived, in seconds."""
        times = sorted(self._seen.values())
        return max((b - a for a, b in zip(times, times[1:])), default=0)

    def wait_answer(self, count=1):
        """Until that many more answers have come."""
        before = len(self._seen)
        wait_for(lambda: len(self._seen) >= before + count, self._timeout,
                 f"{count} more answers to {self._argv[-1]}")

    def _read(self):
        last = 0
        for line in self._process.stdout:
            match = re.search(r"seq=(\d+)", line)
            if match and " bytes from " in line:
                # ping(8) counts on in 16 bits.
                number = int(match[1])
                number += round((last - number) / 65536) * 65536
                last = max(last, number)
                self._seen[number] = time.monotonic()
                if "DUP!" in line:
                    self._twice.append(number)

    def _stop(self):
        self._process.send_signal(signal.SIGINT)
        self._process.wait(10)
        self._reader.join()
        self._process.stdout.close()
        self.sent = max(self._seen, default=0)


class Wire:
    """A packet socket on an interface: sends frames, and remembers those that
    come in (with 'outgoing' also those that go out)."""

    def __init__(self, node, interface, netns=None, outgoing=False):
        self.where = f"{node.name} {netns or ''} {interface}"
        self._outgoing = outgoing
        self._socket = open_socket(node, netns, socket.AF_PACKET,
                                   socket.SOCK_RAW, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE,
                                RECEIVE_BUFFER)
        self._socket.bind((interface, ETH_P_ALL))
        self._socket.setblocking(False)
        self._frames = []

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self._socket.close()

    def send(self, *frames):
        for frame in frames:
            while not self._sends(bytes(frame)):
                time.sleep(0.001)   # A busy kernel still has those before.

    def _sends(self, data):
        with contextlib.suppress(BlockingIOError):
            return self._socket.send(data)
        return 0

    def frames(self):
        """The bytes of all frames so far."""
        while True:
            try:
                data, address = self._socket.recvfrom(65536)
            except BlockingIOError:
                return self._frames
            if self._outgoing or address[2] != socket.PACKET_OUTGOING:
                self._frames.append(data)

    def packets(self):
        return [Ether(frame) for frame in self.frames()]

    def holding(self, text):
        """The frames with these bytes in them."""
        return [frame for frame in self.frames() if text in frame]

    def wait(self, text, count=1, timeout=3):
        return wait_for(lambda: len(self.holding(text)) >= count
                        and self.holding(text), timeout,
                        f"{text!r} arrives at {self.where}")

    def clear(self):
        self.frames()
        self._frames = []


class Underlay(Wire):
    """What a host of the lab sends into the underlay and gets from it."""

    def __init__(self, lab, host):
        super().__init__(lab.underlay, host.name, outgoing=True)

    def tunnelled(self, port=4789):
        """(outer source, outer destination, VNI, inner frame) of each."""
        found = []
        for outer in self.packets():
            ip = outer.payload
            udp = ip.payload        # Not that within an ICMP error.
            if isinstance(udp, UDP) and udp.dport == port:
                vxlan = VXLAN(bytes(udp.payload))
                found.append((ip.src, ip.dst, vxlan.vni, vxlan.payload))
        return found

    def inner(self, condition, port=4789):
        """Those for whose inner frame 'condition' holds."""
        return [t for t in self.tunnelled(port) if condition(t[3])]


class Endpoint:
    """A namespace of a host, and what `weft attach` made in it."""

    def __init__(self, host, netns, network="blue", *args, make=True,
                 name=None):
        self.host = host
        self.netns = netns
        if make:
            host.netns(netns)
        self.name = name or netns
        row = host.weft_json("attach", netns, "--network", network,
                             "--name", self.name, *args)
        self._take(row)

    def _take(self, row):
        self.network = row["network"]
        self.mac = row["mac"]
        self.port = row["port"]
        self.ofport = row["ofport"]
        self.ifname = row["ifname"]
        self.ips = [ip.split("/")[0] for ip in row["ip"]]
        self.ip4 = next((ip for ip in self.ips if ":" not in ip), None)
        self.ip6 = next((ip for ip in self.ips if ":" in ip), None)

    def __str__(self):
        return f"{self.host.name}/{self.name}"

    def row(self):
        """`weft endpoint show`."""
        return self.host.weft_json("endpoint", "show", self.name)

    def pings(self, other, count=1, timeout=1):
        """Whether all addresses of 'other', or one address, answer."""
        ips = other.ips if isinstance(other, Endpoint) else [other]
        return all(self.host.ping(ip, self.netns, count, timeout)
                   for ip in ips)

    def hops(self, address):
        """Who answers on the way there, by traceroute; "*" who does not."""
        out = self.host.run(["traceroute", "-n", "-q", "1", "-w", "2",
                             address], netns=self.netns).stdout
        return [line.split()[1] for line in out.splitlines()[1:]]

    def pinger(self, address, **options):
        return Pinger(self.host, address, self.netns, **options)

    def wire(self, **options):
        return Wire(self.host, self.ifname, self.netns, **options)

    def ip(self, *args):
        return self.host.ip(*args, netns=self.netns)

    def flush_neighbours(self):
        self.ip("neigh", "flush", "all")

    def open_socket(self, *args):
        return open_socket(self.host, self.netns, *args)

    def listen(self, port, address="::"):
        """A TCP socket that accepts."""
        server = self.open_socket(socket.AF_INET6 if ":" in address
                                  else socket.AF_INET, socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen()
        return server

    def connect(self, address, port, timeout=10):
        client = self.open_socket(socket.AF_INET6 if ":" in address
                                  else socket.AF_INET, socket.SOCK_STREAM)
        client.settimeout(timeout)
        client.connect((address, port))
        return client

    def marker(self, text):
        """A broadcast that every member of the network may get.  What was
        sent before it has arrived when it has."""
        return (Ether(src=self.mac, dst=BROADCAST)
                / IP(src=self.ip4, dst="255.255.255.255")
                / UDP(sport=9, dport=9) / text)


@contextlib.contextmanager
def flood(wire, frames, rate):
    """Sends them over and over, 'rate' a second, in bursts that vswitchd's
    socket at the port can hold; yields a list to whose length each of them
    adds one."""
    stop, sent = threading.Event(), []
    bursts = itertools.cycle(frames[start:start + BURST]
                             for start in range(0, len(frames), BURST))

    def run():
        begin = time.monotonic()
        while not stop.is_set():
            burst = next(bursts)
            wire.send(*burst)
            sent.extend(burst)
            ahead = begin + len(sent) / rate - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()


def one_each(lab):
    """An endpoint on each host of a lab: nhosta, nhostb and so on."""
    return [Endpoint(host, f"n{host.name}") for host in lab.hosts]


def transfer(sender, receiver, address, size=4 << 20):
    """Sends 'size' bytes by TCP; returns how many came."""
    with receiver.listen(5001) as server:
        server.settimeout(5)
        with sender.connect(address, 5001) as client:
            accepted, _ = server.accept()
            thread = threading.Thread(target=send_all, args=(client, size))
            thread.start()
            with accepted:
                count = receive_all(accepted)
            thread.join()
    return count


def send_all(client, size):
    client.settimeout(30)           # For sendall() as a whole.
    client.sendall(os.urandom(1024) * (size // 1024))
    client.shutdown(socket.SHUT_WR)


def receive_all(accepted):
    """Returns how many bytes came, at the end or when no more do."""
    count = 0
    accepted.settimeout(10)
    with contextlib.suppress(TimeoutError):
        while data := accepted.recv(1 << 20):
            count += len(data)
    return count
