# SPDX-License-Identifier: Apache-2.0
"""What the underlay's NIC had when weftd moved it to a bridge: it is used
there, and comes back as it was, whatever happened in between."""

import contextlib
import json
import re
import socket
import threading
import time

import pytest

from lab import wait_for
from traffic import receive_all, send_all
from weftlib import address

# With the addresses of the lab, 192.168.50.11/24 and fd50::11/64.
ADDRESSES = """\
addr add 192.168.50.61/24 dev eth0 broadcast 192.168.50.127
addr add 10.77.0.5/24 dev eth0 brd + label eth0:x valid_lft 5000 \
preferred_lft 4000
addr add 10.77.0.6/24 dev eth0
addr add 10.81.0.1/24 dev eth0 scope site
addr add 10.78.0.1 peer 10.78.0.2/32 dev eth0
addr add 10.79.0.1/24 dev eth0 noprefixroute
addr add 10.80.0.1/24 dev eth0 metric 50
addr add fd99::5/64 dev eth0 nodad valid_lft 5000 preferred_lft 0
addr add fd99::6/64 dev eth0 noprefixroute nodad
addr add fd93::1/64 dev eth0 mngtmpaddr
addr add fd98::1 peer fd98::2/128 dev eth0 nodad
addr add fd97::7/64 dev eth0 nodad home valid_lft 6000 preferred_lft 5000
"""
ROUTES = """\
route add default via 192.168.50.1 dev eth0 proto dhcp src 192.168.50.11 \
metric 100 mtu 1400 advmss 1360
route add default via 192.168.50.2 dev eth0 metric 200
route add default via 192.168.50.3 dev eth0 proto static
route append default via 192.168.50.4 dev eth0 proto static
route add 10.79.0.0/24 dev eth0 proto kernel scope link src 10.79.0.1 \
metric 101
route add 203.0.113.1 dev eth0 scope link proto static
route add 10.99.0.0/16 via 203.0.113.1 dev eth0 proto 186
route add 10.98.0.0/16 via 198.51.100.1 dev eth0 onlink src 10.77.0.5
route add 10.97.0.0/16 via inet6 fd50::1 dev eth0
route add 10.96.0.0/16 dev eth0 scope link mtu lock 1300 window 4000 \
hoplimit 9 initcwnd 20 quickack 1 rto_min 40ms rtt 8ms features ecn
route add multicast 224.0.0.0/4 dev eth0 scope link
route add default via fe80::1 dev eth0 proto ra metric 1024 pref high \
expires 3000 hoplimit 64
route add default via fd50::1 dev eth0 metric 2048 src fd99::6 mtu 1400
route add fd99::/64 dev eth0 proto kernel metric 99
route add fd96::/64 dev eth0 proto static pref low
route add fd95::/64 via fd94::1 dev eth0 onlink
"""


def addresses(host, interface="eth0"):
    """As `ip` has them, and the lifetimes of those that end."""
    all_of = json.loads(host.ip("-j", "addr", "show", "dev", interface))[0]
    mine = [a for a in all_of["addr_info"]
            if not a["local"].startswith("fe80:")]
    lifetimes = {}
    for a in mine:
        valid = a.pop("valid_life_time")
        preferred = a.pop("preferred_life_time")
        if valid < 2 ** 32 - 1:
            lifetimes[a["local"]] = (valid, preferred)
    return mine, lifetimes


def routes(host, interface="eth0"):
    """As `ip` shows them, and the seconds of those that end."""
    text = "".join(host.ip("-d", family, "route", "show", "dev", interface)
                   for family in ("-4", "-6"))
    seconds = [int(s) for s in re.findall(r"expires (\d+)sec", text)]
    text = re.sub(r"expires \d+sec", "expires", text)
    return [line.strip() for line in text.splitlines()
            if "fe80::/64" not in line], seconds


def merges(host):
    text = host.sh("ethtool -k eth0")
    return re.search(r"generic-receive-offload: (\w+)", text)[1] == "on"


@pytest.fixture
def host(make_lab):
    lab = make_lab(hosts=1, underlay="both", weftd=False)
    host = lab.hosts[0]
    set_up(host)
    return host


def set_up(host):
    """As the system does at its start."""
    own = "".join(f"addr replace {a} dev eth0{' nodad' * (a.version == 6)}\n"
                  for a in host.addresses)
    host.run(["ip", "-batch", "-"], stdin=own + ADDRESSES)
    wait_for(lambda: "tentative" not in host.ip("addr"), 5,
             "all addresses are valid")
    host.run(["ip", "-batch", "-"], stdin=ROUTES)


def cleanup(host):
    result = host.weft("cleanup", "--yes")
    host._running.pop("weftd", None)
    assert "every trace" in result.stdout
    wait_for(lambda: not host.is_running("weftd"), 5, "weftd has ended")
    wait_for(lambda: "br-phy" not in host.ip("link"), 5, "br-phy has gone")


def nothing(host):
    pass


def restart(host):
    host.kill_weftd()
    host.start_weftd()
    host.wait_healthy()


def reboot(host):
    """Of what there was only the database is left, and what the system sets
    up on the NIC is there again."""
    host.kill_weftd()
    host.kill_vswitchd()
    host.kill_ovsdb()
    host.ip("link", "del", "br-phy")
    host.sh("ethtool -K eth0 gro on; nft flush ruleset")
    set_up(host)
    host.start_ovsdb()
    host.start_vswitchd()
    host.start_weftd()
    host.wait_healthy()


def restart_all(host):
    """But the NIC has nothing any more."""
    host.kill_weftd()
    host.kill_vswitchd()
    host.kill_ovsdb()
    host.ip("link", "del", "br-phy")
    host.start_ovsdb()
    host.start_vswitchd()
    host.start_weftd()
    host.wait_healthy()


def restart_switch(host):
    host.kill_vswitchd()
    host.start_vswitchd()
    host.wait_healthy()


@pytest.mark.parametrize("between, offload", [
    (nothing, True), (restart, False), (restart, True), (restart_all, True),
    (restart_switch, True), (reboot, False),
])
def test_all_comes_back(host, between, offload):
    host.sh(f"ethtool -K eth0 gro {'on' if offload else 'off'}")
    before = addresses(host), routes(host)
    (held, lifetimes), (led, seconds) = before
    assert len(held) == 14 and len(lifetimes) == 3
    assert len(led) > 20 and len(seconds) == 3
    host.start_weftd()
    host.wait_healthy()
    between(host)
    assert not merges(host)
    assert addresses(host) == ([], {}) and routes(host) == ([], [])
    cleanup(host)
    (held_now, lifetimes_now), (led_now, seconds_now) = (addresses(host),
                                                         routes(host))
    assert held_now == held
    assert led_now == led
    assert merges(host) == offload
    for ip, (valid, preferred) in lifetimes.items():
        valid_now, preferred_now = lifetimes_now[ip]
        assert valid_now == pytest.approx(valid, abs=30)
        assert preferred_now == pytest.approx(preferred, abs=30 * bool(
            preferred))
    assert seconds_now == pytest.approx(seconds, abs=30)


@pytest.mark.parametrize("between", [nothing, restart_all, reboot])
def test_the_bridge_has_them_meanwhile(host, between):
    """The same, but for ever: nobody renews a lease there."""
    (held, _), (led, _) = addresses(host), routes(host)
    host.start_weftd()
    host.wait_healthy()
    between(host)
    held_now, lifetimes = addresses(host, "br-phy")
    assert lifetimes == {}

    def key(address):
        return (address["local"], address["prefixlen"], address["scope"],
                address.get("address"), address.get("broadcast"),
                address.get("metric"), address.get("deprecated"),
                address.get("noprefixroute"))
    assert [key(a) for a in held_now] == [key(a) for a in held]
    assert ([line for line in routes(host, "br-phy")[0]]
            == [re.sub(r"expires ?", "", line) for line in led])


def test_what_is_remembered_is_readable(host):
    host.sh("ethtool -K eth0 gro on")
    host.start_weftd()
    host.wait_healthy()
    remembered = host.ovs_vsctl("get", "bridge", "br-phy", "external_ids")
    for part in ("192.168.50.11/24, ", "192.168.50.61/24 brd 192.168.50.127, ",
                 "0.0.0.0/0 via 192.168.50.1 proto dhcp src 192.168.50.11 "
                 "metric 100 mtu 1400 advmss 1360",
                 "weft-offloads=gro", "weft-underlay=eth0"):
        assert part in remembered


def test_the_host_itself_receives_much(host):
    """Most NICs merge what they receive (GRO), which the switch would drop;
    also if somebody turns that on again."""
    host.sh("ethtool -K eth0 gro on")
    host.start_weftd()
    host.wait_healthy()
    assert received(host) == MUCH
    host.sh("ethtool -K eth0 gro on")
    wait_for(lambda: not merges(host), 5, "it is off again")
    assert received(host) == MUCH


MUCH = 4 << 20


def received(host):
    """The bytes of a TCP transfer to the host, as far as it comes."""
    sender = host.lab.underlay
    sender.sh("ip addr replace 192.168.50.1/24 dev underlay")
    with sender.open_socket(None, socket.AF_INET,
                            socket.SOCK_STREAM) as listening:
        listening.bind(("192.168.50.1", 0))
        listening.listen()
        with host.open_socket(None, socket.AF_INET,
                              socket.SOCK_STREAM) as taking:
            taking.connect(listening.getsockname())
            giving, _ = listening.accept()
            with giving:
                giving.settimeout(20)
                thread = threading.Thread(target=send_all,
                                          args=(giving, MUCH))
                thread.start()
                count = receive_all(taking)
            thread.join()
            return count


def test_a_lease_that_is_renewed(host):
    """The DHCP client of the NIC sets the address there again."""
    host.start_weftd()
    host.wait_healthy()
    host.ip("addr", "add", "10.77.0.5/24", "brd", "+", "dev", "eth0", "label",
            "eth0:x", "valid_lft", "9000", "preferred_lft", "8000")
    # As it is when weftd looks.
    wait_for(lambda: re.search(r"valid_lft (9000|89\d\d)sec", host.ovs_vsctl(
        "get", "bridge", "br-phy", "external_ids:weft-addresses")), 3,
        "it is remembered")
    wait_for(lambda: addresses(host) == ([], {}), 3, "it has gone to br-phy")
    restart(host)
    cleanup(host)
    valid, preferred = addresses(host)[1]["10.77.0.5"]
    assert 8900 < valid <= 9000 and 7900 < preferred <= 8000


def moved(host, *there):
    """Whether br-phy has exactly these, as "10.1.0.1/24", and the NIC none."""
    return (not addresses(host)[0] and sorted(there) == sorted(
        f"{a['local']}/{a['prefixlen']}"
        for a in addresses(host, "br-phy")[0]))


def routes_of_bridge(host):
    """The routes of br-phy, which come there after the addresses."""
    return " ".join(host.ip("route", "show", "dev", "br-phy").split())


@pytest.fixture
def plain(make_lab):
    """A host whose NIC has 192.168.50.11/24, for ever, and a default route."""
    host = make_lab(hosts=1, weftd=False).hosts[0]
    host.ip("route", "add", "default", "via", "192.168.50.1", "dev", "eth0")
    return host


def test_an_address_by_hand(plain):
    """It is used and remembered beside what is there; routes come along."""
    host = plain
    host.start_weftd()
    host.wait_healthy()
    # In one go: the address alone is taken over a second later.
    host.run(["ip", "-batch", "-"], stdin="""\
addr add 10.77.0.7/24 dev eth0
route add 10.99.0.0/16 via 10.77.0.1 dev eth0
""")
    wait_for(lambda: moved(host, "192.168.50.11/24", "10.77.0.7/24")
             and "via 10.77.0.1" in routes_of_bridge(host), 5,
             "it is on br-phy")
    restart_switch(host)
    wait_for(lambda: moved(host, "192.168.50.11/24", "10.77.0.7/24")
             and "via 10.77.0.1" in routes_of_bridge(host), 5,
             "it is there again")
    cleanup(host)
    assert [a["local"] for a in addresses(host)[0]] == ["192.168.50.11",
                                                        "10.77.0.7"]
    assert len(routes(host)[0]) == 4


def test_another_lease(plain):
    """It replaces the one before, with the routes by its router; what is for
    ever stays."""
    host = plain
    host.ip("addr", "add", "10.77.0.5/24", "dev", "eth0", "valid_lft", "500",
            "preferred_lft", "400")
    host.ip("route", "add", "default", "via", "10.77.0.1", "dev", "eth0",
            "metric", "100")
    host.ip("route", "add", "10.99.0.0/16", "via", "10.77.0.1", "dev", "eth0")
    host.start_weftd()
    host.wait_healthy()
    # Its route finds no room until those of the one before have gone.
    host.sh("ip addr add 10.78.0.6/24 dev eth0 valid_lft 600 "
            "preferred_lft 500\n"
            "until ip route add default via 10.78.0.1 dev eth0 metric 100\n"
            "do sleep 0.02; done")
    wait_for(lambda: moved(host, "192.168.50.11/24", "10.78.0.6/24")
             and "default via 10.78.0.1 metric 100" in routes_of_bridge(host),
             5, "it is on br-phy")
    wait_for(lambda: "10.77.0.1" not in routes_of_bridge(host)
             and "default via 192.168.50.1" in routes_of_bridge(host), 5,
             "its routes have replaced those of the one before")
    cleanup(host)
    assert [a["local"] for a in addresses(host)[0]] == ["192.168.50.11",
                                                        "10.78.0.6"]


def test_a_nic_that_is_configured_anew(plain):
    """As by ifdown, with another file, and ifup."""
    host = plain
    host.start_weftd()
    host.wait_healthy()
    host.sh("ip link set eth0 down; ip link set eth0 up\n"
            "ip addr add 10.77.0.7/24 dev eth0\n"
            "until ip route add default via 10.77.0.1 dev eth0\n"
            "do sleep 0.02; done")
    wait_for(lambda: moved(host, "10.77.0.7/24")
             and "192.168.50" not in routes_of_bridge(host)
             and "default via 10.77.0.1" in routes_of_bridge(host), 5,
             "it has replaced all")


def test_a_nic_that_flaps(plain):
    """It is as it was, and what comes much later comes beside it."""
    host = plain
    host.start_weftd()
    host.wait_healthy()
    for _ in range(5):
        host.ip("link", "set", "eth0", "down")
        host.ip("link", "set", "eth0", "up")
    host.wait_healthy()
    assert moved(host, "192.168.50.11/24")


UDHCPD = """\
start {address}
end {address}
interface underlay
min_lease 1
lease_file /run/{lab}.leases
pidfile /run/{lab}.pid
option subnet 255.255.255.0
option router 192.168.50.1
option lease {lease}
"""


@contextlib.contextmanager
def dhcp_server(lab, address, lease):
    """One on the underlay that gives only this address."""
    node = lab.underlay
    conf = lab.dir / "udhcpd.conf"
    conf.write_text(UDHCPD.format(address=address, lease=lease, lab=lab.name)
                    .replace("/run/", f"{lab.dir}/"))
    (lab.dir / f"{lab.name}.leases").write_bytes(b"")
    server = node.popen(["busybox", "udhcpd", "-f", str(conf)])
    try:
        yield
    finally:
        server.terminate()
        server.wait(5)


@pytest.mark.once
@pytest.mark.guests
def test_a_dhcp_server_that_gives_another_address(make_lab):
    """dhclient renews its lease and then gets another; when the list says so,
    too, all is well."""
    lab = make_lab(weftd=False)
    a, b = lab.hosts
    lab.underlay.ip("addr", "add", "192.168.50.1/24", "dev", "underlay")
    a.ip("addr", "flush", "dev", "eth0")
    interface = "br-phy" if a.lends_underlay else "eth0"

    def held():
        text = a.ip("-4", "-o", "addr", "show", "dev", interface)
        return re.findall(r"inet (\S+)/", text)
    with contextlib.ExitStack() as stack:
        with dhcp_server(lab, "192.168.50.11", 8):
            client = a.popen(["dhclient", "-d", "-4", "-cf", "/dev/null",
                              "-lf", "/run/dhclient.leases",
                              "-pf", "/run/dhclient.pid", "eth0"])
            stack.callback(client.wait, 5)
            stack.callback(client.terminate)
            wait_for(lambda: "192.168.50.11" in a.ip("addr"), 20, "a lease")
            for host in lab.hosts:
                host.start_weftd()
            lab.wait_healthy(30)
            a.weft("netns", "add", "red")
            b.weft("netns", "add", "green")
            a.weft("attach", "red")
            green = address(b.weft_json("attach", "green"), 4)

            def passes():           # Each renewal interrupts for a moment.
                return a.ping(green, netns="red", count=3)
            wait_for(passes, 10)
            # Longer than a lease: it was renewed, through br-phy.
            started = time.monotonic()
            wait_for(lambda: time.monotonic() > started + 12, 15, "")
            wait_for(lambda: held() == ["192.168.50.11"], 10, "it is held")
            wait_for(passes, 10)
        with dhcp_server(lab, "192.168.50.77", 600):
            wait_for(lambda: held() == ["192.168.50.77"], 40,
                     "another address")
            lab.write_peers(lab.peers_text().replace("50.11", "50.77"))
            lab.wait_healthy(30)
            wait_for(passes, 10)
            assert held() == ["192.168.50.77"]
            assert "default via 192.168.50.1" in a.ip(
                "route", "show", "dev", interface)


@pytest.mark.parametrize("directory", [None, "tcp"])
def test_the_address_that_peers_send_to_has_gone(make_lab, directory):
    """By a list, weft status says so; a directory is told of the new one."""
    lab = make_lab(directory=directory)
    a, b = lab.hosts
    if directory:                   # Without --address.
        a.stop_weftd()
        a.start_weftd(*a.DATAPATH, f"--name={a.name}",
                      f"--directory={lab.directory.remote}", plain=True)
    a.weft("netns", "add", "red")
    b.weft("netns", "add", "green")
    a.weft("attach", "red")
    green = address(b.weft_json("attach", "green"), 4)
    lab.wait_healthy()
    a.ip("link", "set", "eth0", "down")
    a.run(["ip", "-batch", "-"], stdin="""\
link set eth0 up
addr add 192.168.50.77/24 dev eth0
""")
    if directory:
        wait_for(lambda: "192.168.50.77" in b.weft("peer", "list").stdout, 20,
                 "the directory has the new address")
    else:
        wait_for(lambda: "peers send to 192.168.50.11, which no interface of "
                 "this host has: change its address in the peer list"
                 in a.weft("status", check=False).stdout, 10, "it is said")
        lab.write_peers(lab.peers_text().replace("50.11", "50.77"))
    lab.wait_healthy(20)
    # Of the tunnels there the switch may yet have to hear.
    wait_for(lambda: a.ping(green, netns="red", count=3), 10, "packets pass")


def test_a_route_of_another_interface_is_in_nobodys_way(make_lab):
    """One of the same destination and metric."""
    lab = make_lab(hosts=1, underlay="both", weftd=False)
    host = lab.hosts[0]
    host.run(["ip", "-batch", "-"], stdin="""\
link add other type veth peer other1
link set other1 up
link set other up
addr add 10.5.0.1/24 dev other
addr add fd05::1/64 dev other nodad
route add 10.99.0.0/16 via 192.168.50.1 dev eth0
route append 10.99.0.0/16 via 10.5.0.9 dev other
route add fd90::/64 dev eth0 metric 1024
route append fd90::/64 dev other metric 1024
""")
    before, other = routes(host), routes(host, "other")
    host.start_weftd()
    host.wait_healthy()
    assert "10.99.0.0/16" in host.ip("route", "show", "dev", "br-phy")
    assert "fd90::/64" in host.ip("-6", "route", "show", "dev", "br-phy")
    restart(host)
    cleanup(host)
    assert routes(host) == before and routes(host, "other") == other
