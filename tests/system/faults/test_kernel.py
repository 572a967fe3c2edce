# SPDX-License-Identifier: Apache-2.0
"""Faults of the kernel's part: links, namespaces, addresses, rules, and a
reboot.  What is the host's comes back by itself; what a workload does inside
its namespace is its own affair until `weft attach` is repeated.
"""

import contextlib
import json
import subprocess
import time
from pathlib import Path

from host import wait_for
from outside import default_routes
from scene import ofports, our_flows, reports, tunnels
from world import SOON, make_foreign_flows

EVIL = "02:66:66:66:66:66"


def batch(host, lines, netns=None):
    host.run(["ip", "-batch", "-"], stdin="\n".join(lines) + "\n",
             netns=netns)


def flap(name, times=100):
    return [f"link set {name} {way}" for _ in range(times)
            for way in ("down", "up")]


def wait_reported(host, text, timeout=SOON):
    wait_for(lambda: text in reports(host), timeout,
             f"status tells of {text}: {reports(host)!r}")


@contextlib.contextmanager
def another_netns(host, name="other"):
    host.ip("netns", "add", name)
    try:
        yield name
    finally:
        host.ip("netns", "del", name)


def test_links_are_deleted_renamed_and_moved(world):
    """An endpoint each; the blue ones' host ends are renamed while up."""
    a = world.a
    ends = [world[f"hosta/{name}"].endpoint
            for name in ("blue1", "blue2", "red1", "red2")]
    with another_netns(a) as other:
        a.ip("link", "del", ends[0].port)
        a.ip("link", "set", ends[1].port, "name", "hand")
        a.ip("link", "set", ends[2].port, "netns", other)
        ends[3].ip("link", "del", "eth0")
        for end in ends:
            wait_reported(a, f"link {end.port} was deleted or replaced")
        world.check()
        assert "hand" not in a.ip("link")
        assert ends[2].port not in a.ip("link", netns=other)


def test_links_are_renamed_while_down_and_replaced(world):
    """The second by one that was made by hand under the same name, which
    `ovs-vsctl show` does not tell from ours, and yet no packet would pass."""
    a = world.a
    first, second = (world[f"hosta/{n}"].endpoint for n in ("blue1", "red1"))
    batch(a, [f"link set {first.port} down",
              f"link set {first.port} name hand",
              "link set hand up"])
    # In one go: the agent makes a new one as soon as it can.
    a.sh("ip link add hand2 type veth peer name hand3; ip -batch - <<'.'\n"
         f"link del {second.port}\nlink set hand2 name {second.port}\n"
         f"link set {second.port} up\nlink set hand3 netns red1 name eth0\n"
         ".\nip -n red1 link set eth0 up || :  # It may have come already.")
    wait_reported(a, f"link {second.port} was deleted or replaced")
    world.check()
    assert "hand" not in a.ip("link")


def test_links_are_changed(world):
    a = world.a
    ports = [world[f"hosta/{n}"].endpoint.port
             for n in ("blue1", "blue2", "red1")]
    batch(a, [f"link set {ports[0]} down",
              f"link set {ports[1]} mtu 1300",
              f"link set {ports[2]} address {EVIL}"])


def test_links_flap(world):
    """Also inside, where the kernel takes IPv6 addresses and routes away."""
    a = world.a
    batch(a, flap(world["hosta/blue1"].endpoint.port))
    batch(a, flap("eth0"), "blue2")
    batch(a, flap("eth0"), "red1")
    batch(a, flap("eth0"))


def test_what_is_changed_inside_comes_back_by_attach(world):
    a = world.a
    others = [way for way in world.pingers if "hosta/blue1" not in way[:2]
              and "hosta/red1" not in way[:2] and "hosta/red2" not in way[:2]]
    with world.lossless(ways=others):
        batch(a, [f"link set eth0 address {EVIL}", "link set eth0 mtu 1300",
                  "route flush proto 87"], "blue1")
        batch(a, ["addr flush dev eth0 scope global"], "red1")
        a.sh("sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1\n"
             "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0\n"
             "ip link set eth0 down",
             netns="red2")
    inside = json.loads(a.ip("-j", "link", "show", "eth0", netns="blue1"))[0]
    assert (inside["address"], inside["mtu"]) == (EVIL, 1300), "its own affair"
    for name in ("blue1", "red1", "red2"):
        a.weft("attach", name, "--network", name[:-1])


def test_another_name_inside_is_nobodys_concern(world):
    with world.lossless(ways=[("hosta/blue1", "hosta/blue2", 4)]):
        world.a.ip("link", "set", "eth0", "name", "lan0", netns="blue1")
        world.a.ip("link", "set", "lan0", "name", "eth0", netns="blue1")


def test_the_inner_end_goes_to_another_namespace_and_returns(world):
    a = world.a
    with another_netns(a) as other:
        a.ip("link", "set", "eth0", "netns", other, netns="red1")
        a.ip("link", "set", "eth0", "netns", "red1", netns=other)
    a.weft("attach", "red1", "--network", "red")


def gone(host, endpoint):
    return (endpoint.port not in ofports(host)
            and endpoint.port not in host.ip("link")
            and endpoint.mac not in str(our_flows(host))
            and endpoint.name not in host.weft("endpoint", "list").stdout)


def test_namespaces_are_deleted(world):
    """Another one under the same name is another one."""
    a, b1 = world.a, world["hostb/blue1"]
    with world.extra(a, "extra1") as one, world.extra(a, "extra2") as two:
        a.sh("ip netns del extra1; ip netns del extra2; ip netns add extra2")
        # The kernel takes its time to clear a namespace away.
        wait_for(lambda: gone(a, one), 4 * SOON, "nothing of it is left")
        wait_reported(a, "its namespace /run/netns/extra1 has gone")
        wait_reported(a, "extra2", 4 * SOON)
        wait_for(lambda: gone(a, two) or two.pings(b1.address(4)), SOON,
                 "nothing is left that does not work")


def test_neighbours_sysctls_and_rules_are_changed(world):
    a = world.a
    tables = [line.split(maxsplit=1)[1] for line
              in a.sh("nft list tables").splitlines() if "theirs" not in line]
    assert len(tables) > 1
    a.sh("".join(f"nft delete table {table}\n" for table in tables)
         + "sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0\n"
         "ip neigh flush all; ip -6 neigh flush all")
    for name in ("blue1", "red1"):
        a.sh("ip neigh flush all; ip -6 neigh flush all", netns=name)


def test_names_are_taken(world):
    """By links and a port that are not ours: they stay, also when the agent
    starts, and ours have others."""
    a = world.a
    batch(a, ["link add wf-extra type bridge",
              "link add theirs4 type veth peer name theirs5",
              "link set theirs4 name wf-theirs", "link set theirs5 name vx-x"])
    a.ovs_vsctl("add-port", "br-weft", "vx-hostx", "--", "set", "Interface",
                "vx-hostx", "type=internal")

    def theirs():
        return [a.ip("-o", "link", "show", name)
                for name in ("wf-extra", "wf-theirs", "vx-x")] + [
                    a.ovs_vsctl("--columns=_uuid,type,external_ids", "list",
                                "Interface", "vx-hostx")]
    try:
        before = theirs()
        with world.extra(a) as extra, \
                world.extra(a, "extra-rather-long1") as one, \
                world.extra(a, "extra-rather-long2") as two:
            ports = {e.port for e in (extra, one, two)}
            assert len(ports) == 3 and "wf-extra" not in ports
            assert max(map(len, ports)) <= 15
            world.lab.write_peers(world.lab.peers_text()
                                  + "[peer hostx]\naddress = 192.168.50.99\n")
            wait_for(lambda: len(a.weft_json("peer", "list")) == 4, SOON,
                     "hostx is listed")
            a.kill_weftd()
            a.start_weftd()
            wait_for(lambda: all(e.pings(world["hostb/blue1"].address(4))
                                 for e in (extra, one, two)), SOON,
                     "all have their own")
            tunnel = wait_for(lambda: tunnels(a)["hostx"]["tunnel"], SOON,
                              "hostx has a tunnel")
            assert tunnel != "vx-hostx"
        assert theirs() == before
    finally:
        world.lab.write_peers(world.lab.peers_text())
        a.ovs_vsctl("del-port", "vx-hostx")
        for name in ("wf-extra", "wf-theirs"):
            a.ip("link", "del", name)


# The underlay.

def set_address(world, address):
    """As ifdown, another file and ifup do; and the list says so, too."""
    a, nic = world.a, world.a.plug[0]
    # The routes come when the old address has gone, with its own; in one go:
    # weftd takes what came within a second for all.
    a.sh(f"ip -batch - <<'.'\nlink set {nic} down\nlink set {nic} up\n"
         f"addr add {address}/24 dev {nic}\n.\n"
         "until test $(ip -o -4 addr | grep -c '192[.]168[.]50[.]') = 1\n"
         "do sleep 0.02; done\nip -batch - <<'.'\n"
         + "\n".join(default_routes(world.lab._subnets)) + "\n.\n")
    world.lab.write_peers(world.lab.peers_text().replace(
        f"{a.address}\n", f"{address}\n"))


def test_the_underlays_address_changes(world):
    try:
        set_address(world, "192.168.50.77")
        wait_for(lambda: not world.unheard(), SOON, "all hear each other")
        world.lab.wait_healthy(SOON)
    finally:
        set_address(world, world.a.address)


def mtu_inside(host, netns):
    return json.loads(host.ip("-j", "link", "show", "eth0",
                              netns=netns))[0]["mtu"]


def test_the_underlays_mtu_changes(world):
    """The overlay's follows, to the last interface inside."""
    a = world.a
    nic = a.plug[0]
    a.ip("link", "set", nic, "mtu", "1400")
    try:
        wait_for(lambda: {mtu_inside(a, name) for name in
                          ("blue1", "blue2", "red1", "red2")} == {1350},
                 SOON, "1350 inside")
        wait_for(lambda: not world.unheard(), SOON, "all hear each other")
        world.stream.moves(SOON)
    finally:
        a.ip("link", "set", nic, "mtu", "1500")


# The whole host.

def reboot(world):
    """Of hosta only the database is left, and what the system sets up anew.
    Other than at a real reboot, the host's clock and interfaces go on, and so
    do processes; but their namespaces have no names any more."""
    a = world.a
    a.kill_weftd()
    a.kill_vswitchd()
    a.kill_ovsdb()
    names = [line.split()[0] for line in a.ip("netns").splitlines()]
    ours = [link["ifname"] for link in json.loads(a.ip("-j", "link"))
            if link["ifname"][:3] in ("wf-", "wh-", "wx-")]
    batch(a, [f"netns del {name}" for name in names]
          + [f"link del {name}" for name in ours if name[:3] != "wx-"])
    a.sh("ip link del br-phy\nsysctl -qw net.ipv4.ip_forward=0\n" + "".join(
        f"nft delete table {line.split(maxsplit=1)[1]}\n" for line in
        a.sh("nft list tables").splitlines() if "theirs" not in line))
    batch(a, [f"addr add {a.addresses[0]} dev eth0",
              *default_routes(world.lab._subnets)])
    a.start_ovsdb()
    a.start_vswitchd()
    a.start_weftd()


def test_reboot(world):
    """Ports without a namespace are removed; `attach` gives each endpoint the
    MAC and the addresses that it had."""
    a = world.a
    members = [m for m in world.ends.values() if m.host is a]
    before = [(m.endpoint.mac, m.endpoint.ips) for m in members]
    with world.resting(a):
        reboot(world)
        wait_for(lambda: a.weft_json("endpoint", "list") == [], SOON,
                 "no endpoint is left")
        wait_for(lambda: not [p for p in ofports(a) if p[:3] == "wf-"], SOON,
                 "no port is left")
        for member in members:
            wait_reported(a, f"its namespace /run/netns/{member.name} has")
            member.attach()
        assert [(m.endpoint.mac, m.endpoint.ips) for m in members] == before
        a.weft("publish", "8080:blue1:80")
        make_foreign_flows(a)


# The clock.

YEAR = 366 * 24 * 3600
LIBRARY = "/etc/weft/wallclock.so"      # One directory for all hosts.
CLOCK = "/run/wallclock"


@contextlib.contextmanager
def own_clock(host):
    """Its weftd and its switch live by a clock that can be set: the seconds
    that it is wrong."""
    subprocess.run(["cc", "-shared", "-fPIC", "-o",
                    host.lab.weft_dir / Path(LIBRARY).name,
                    Path(__file__).parents[1] / "wallclock.c"], check=True)
    # The sanitizers want to be the first that are loaded.
    exports = (f"export LD_PRELOAD={LIBRARY} WALLCLOCK={CLOCK} "
               "ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0\n")

    def start_all(exports=""):
        host.kill_weftd()
        host.kill_vswitchd()
        host._start("ovs-vswitchd", exports + host._vswitchd_script())
        host._start("weftd", exports + host._weftd_script())
        host.wait_healthy()
        make_foreign_flows(host)
    start_all(exports)
    for daemon in ("ovs-vswitchd", "weftd"):
        maps = host.path(f"/proc/{host.daemon_pid(daemon)}/maps")
        assert LIBRARY in maps.read_text()
    try:
        yield lambda seconds: host.path(CLOCK).write_text(str(seconds))
    finally:
        start_all()


def test_the_clock_jumps(world):
    """A year forth, and back: nobody notices."""
    a = world.a
    with own_clock(a) as set_clock:
        world.check()
        for seconds in (YEAR, 0):
            with world.lossless(50):
                set_clock(seconds)
            year = time.gmtime(time.time() + seconds).tm_year
            a.weft("directory", "reload")
            with world.extra(a) as extra:
                wait_for(lambda e=extra: e.pings(
                    world["hostb/blue1"].address(4)), SOON, "it is heard")
                wait_for(lambda e=extra, y=year: [
                    line for line in a.log("ovs-vswitchd").splitlines()
                    if f"added interface {e.port} " in line
                    ][-1].startswith(f"{y}-"), SOON, f"it is {year}")
            a.wait_healthy(SOON)
