# SPDX-License-Identifier: Apache-2.0
"""The peer file in force: what a change of it changes, and what it leaves
alone."""

import contextlib
import os

import pytest
from scapy.layers.inet import ICMP, IP

from host import wait_for
from scene import (learned_flows, ofports, problems, shared_lab,
                   state_of_switch, tunnels)
from traffic import Endpoint, Underlay
from weftlib import refused

NETWORKS = """\
[network blue]
vni = 100
subnet = 10.1.0.0/16
subnet = fd00:1::/64

[network red]
vni = 300
subnet = 10.3.0.0/16
subnet = fd00:3::/64
"""
A_SECOND = 1.0                  # Promised by peers.conf(5).
SOON = 5                        # Where something else is tested.
WITHOUT_EVENTS = 2.0            # The file is looked at twice a second.


class Scene:
    def __init__(self, lab):
        self.lab = lab
        self.a, self.b, self.c = lab.hosts
        self.a1, self.b1, self.c1 = (Endpoint(h, f"n{h.name}")
                                     for h in lab.hosts)
        self.file = lab.weft_dir / "peers.conf"
        lab.wait_healthy()
        self.sizes = sizes(self.a)

    def with_peer(self, address, name="hostx", more=""):
        return (self.lab.peers_text()
                + f"\n[peer {name}]\naddress = {address}\n{more}")


def sizes(host):
    """How many flows, groups and ports there are."""
    return [len(part) for part in state_of_switch(host)]


@pytest.fixture(scope="module")
def module_scene(request):
    with shared_lab(request, 3, networks=NETWORKS) as lab:
        yield Scene(lab)


@pytest.fixture
def scene(module_scene):
    """The file is as it was when a test begins, and when it has ended."""
    yield module_scene
    restore(module_scene)


def restore(scene):
    with contextlib.suppress(FileNotFoundError):
        scene.file.unlink()
    scene.lab.write_peers(scene.lab.peers_text())
    for host in scene.lab.hosts:
        host.weft("directory", "reload")
    scene.lab.wait_healthy()
    wait_for(lambda: sizes(scene.a) == scene.sizes, SOON,
             "nothing is left of the test")


def remote(host, port):
    """The remote_ip of a tunnel in the database."""
    return host.ovs_vsctl("get", "Interface", port,
                          "options:remote_ip").strip().strip('"')


def has_tunnel(host, peer, address):
    """The tunnel to the peer is there, as `weft` and the switch tell."""
    row = tunnels(host).get(peer)
    return (row and row["tunnel"] and remote(host, row["tunnel"]) == address
            and ofports(host).get(row["tunnel"], -1) > 0)


def test_a_peer_comes_changes_and_goes_within_a_second(scene):
    a, lab = scene.a, scene.lab
    before = ofports(a)
    with scene.a1.pinger(scene.b1.ip4) as four, \
            scene.a1.pinger(scene.c1.ip6) as six:
        lab.write_peers(scene.with_peer("192.168.50.201"))
        wait_for(lambda: has_tunnel(a, "hostx", "192.168.50.201"), A_SECOND,
                 "hostx has a tunnel")
        with_x = ofports(a)
        lab.write_peers(scene.with_peer("192.168.50.202"))
        wait_for(lambda: has_tunnel(a, "hostx", "192.168.50.202"), A_SECOND,
                 "the tunnel goes to the new address")
        assert ofports(a) == with_x
        lab.write_peers(lab.peers_text())
        wait_for(lambda: ofports(a) == before, A_SECOND,
                 "the tunnel is gone")
        assert "hostx" not in tunnels(a)
    assert (four.lost, six.lost) == ([], [])
    assert (four.duplicates, six.duplicates) == (0, 0)


def test_a_peer_of_which_only_the_port_changes(scene):
    a, lab = scene.a, scene.lab
    lab.write_peers(scene.with_peer("192.168.50.201", more="port = 4790\n"))

    def dst_port(number):
        row = tunnels(a).get("hostx")
        return row and row["port"] == number and row["tunnel"] and \
            a.ovs_vsctl("get", "Interface", row["tunnel"],
                        "options:dst_port").strip() == f'"{number}"'
    wait_for(lambda: dst_port(4790), SOON, "port 4790")
    lab.write_peers(scene.with_peer("192.168.50.201", more="port = 4791\n"))
    wait_for(lambda: dst_port(4791), SOON, "port 4791")


def test_flows_of_a_peer_that_goes_go_with_it(scene):
    before = state_of_switch(scene.a)
    scene.lab.write_peers(scene.with_peer("192.168.50.201"))
    wait_for(lambda: len(state_of_switch(scene.a)[0]) > len(before[0]),
             SOON, "flows for hostx")
    scene.lab.write_peers(scene.lab.peers_text())
    wait_for(lambda: state_of_switch(scene.a) == before, SOON,
             "the switch is as it was")


def test_what_was_learned_behind_a_peer_goes_with_it(scene):
    """And its endpoints are reached again once it is back."""
    a, lab = scene.a, scene.lab
    assert scene.a1.pings(scene.c1)

    def learned():
        return [f for f in learned_flows(a) if scene.c1.mac in f]
    wait_for(learned, SOON, "hostc's endpoint is known")
    text = lab.peers_text()
    lab.write_peers(text[:text.index("[peer hostc]")])
    wait_for(lambda: "hostc" not in tunnels(a), SOON, "hostc is gone")
    wait_for(lambda: not learned(), SOON,
             "nothing is known of hostc's endpoints")
    wait_for(lambda: not scene.a1.pings(scene.c1.ip4), SOON,
             "hostc is not reached")
    lab.write_peers(text)
    wait_for(lambda: scene.a1.pings(scene.c1), 10, "hostc is reached again")


def by_rename(scene, text):
    scene.lab.write_peers(text)


def in_place(scene, text):
    scene.file.write_text(text)


def by_appending(scene, text):
    old = scene.file.read_text()
    assert text.startswith(old)
    with open(scene.file, "a") as file:
        file.write(text[len(old):])


def by_removing_and_writing(scene, text):
    scene.file.unlink()
    scene.file.write_text(text)


def by_symlink(scene, text):
    target = scene.lab.weft_dir / "peers.conf.v2"
    target.write_text(text)
    new = scene.lab.weft_dir / ".link"
    new.symlink_to(target.name)
    new.rename(scene.file)


def by_a_copy_with_old_time(scene, text):
    """As `cp -p` or rsync: the modification time goes back."""
    new = scene.lab.weft_dir / ".old"
    new.write_text(text)
    os.utime(new, (1e9, 1e9))
    new.rename(scene.file)


@pytest.mark.parametrize("write", [
    by_rename, in_place, by_appending, by_removing_and_writing, by_symlink,
    by_a_copy_with_old_time])
def test_however_the_file_is_written(scene, write):
    write(scene, scene.with_peer("192.168.50.201"))
    wait_for(lambda: has_tunnel(scene.a, "hostx", "192.168.50.201"),
             A_SECOND, "hostx has a tunnel")


def test_a_link_to_a_file_elsewhere(scene):
    """No event tells when the file changes that the link points to."""
    elsewhere = scene.lab.weft_dir / "shared"
    elsewhere.mkdir(exist_ok=True)
    (elsewhere / "list").write_text(scene.lab.peers_text())
    scene.file.unlink()
    scene.file.symlink_to("shared/list")
    (elsewhere / "list").write_text(scene.with_peer("192.168.50.201"))
    wait_for(lambda: has_tunnel(scene.a, "hostx", "192.168.50.201"),
             WITHOUT_EVENTS, "hostx has a tunnel")


def test_a_slow_writer_is_waited_for(scene):
    """What it has written up to then is in force at no time."""
    text = scene.with_peer("192.168.50.201")
    before = ofports(scene.a)
    cut = text.index("[peer hostb]")
    with scene.a1.pinger(scene.b1.ip4) as pinger:
        with open(scene.file, "w") as file:
            for part in (text[:cut], text[cut:cut + 20]):
                file.write(part)
                file.flush()
                pinger.wait_answer(130)         # 1.3 s
                assert ofports(scene.a) == before
            file.write(text[cut + 20:])
        wait_for(lambda: has_tunnel(scene.a, "hostx", "192.168.50.201"),
                 SOON, "the whole file is in force")
    assert pinger.lost == []


def test_a_network_goes_and_comes_back_beneath_its_endpoint(scene):
    a1, lab = scene.a1, scene.lab
    blue, red = NETWORKS.split("\n\n")
    lab.write_peers(lab.peers_text(red))

    def down():
        row = a1.row()
        return row["state"] == "down" and \
            "not listed" in row["reason"]
    wait_for(down, SOON, "the endpoint is down, and says why")
    wait_for(lambda: not a1.pings(scene.b1.ip4), SOON, "it reaches nobody")
    lab.write_peers(lab.peers_text(NETWORKS))
    for endpoint in (a1, scene.b1):
        wait_for(lambda: endpoint.row()["state"] == "up", SOON,
                 f"{endpoint} is up again")
    wait_for(lambda: a1.pings(scene.b1), SOON, "they reach each other again")
    assert a1.row()["ofport"] == a1.ofport


def test_a_gateway_is_set_to_the_address_of_an_endpoint(scene):
    """Two owners of it would each break the other: the endpoint is out of
    service, and says why, until it is alone again."""
    a, lab = scene.a, scene.lab
    own = scene.a1.ip4.partition("/")[0]
    lab.write_peers(lab.peers_text(NETWORKS.replace(
        "subnet = 10.1.0.0/16", f"subnet = 10.1.0.0/16\ngateway = {own}")))
    why = f"address {own} is the gateway of network blue"
    wait_for(lambda: scene.a1.row().get("reason") == why, SOON,
             "the endpoint is down, and says why")
    wait_for(lambda: f"endpoint {scene.a1.name}: out of service: {why}"
             in a.log(), SOON, "the log tells")
    assert refused(a, "attach", scene.a1.netns, "--network", "blue") == (
        f"endpoint {scene.a1.name}: {why}")
    scene.b.ip("neigh", "flush", "all", netns=scene.b1.netns)
    # When hostb has the list, too.
    wait_for(lambda: scene.b1.pings(own), SOON, "the gateway answers")
    lab.write_peers(lab.peers_text())
    wait_for(lambda: scene.a1.row()["state"] == "up", SOON,
             "it is up again")

    def reached():
        scene.b1.flush_neighbours()
        return scene.a1.pings(scene.b1)
    wait_for(reached, SOON, "it is reached again")


def test_another_vni(scene):
    a1, b1, lab = scene.a1, scene.b1, scene.lab
    lab.write_peers(lab.peers_text(NETWORKS.replace("100", "16000000")))

    def vnis():
        with Underlay(lab, scene.a) as plug:
            assert a1.pings(b1)
            return {t[2] for t in plug.inner(
                lambda f: ICMP in f and b1.ip4 in (f[IP].src, f[IP].dst))}
    wait_for(lambda: vnis() == {16000000}, 10, "packets have the new VNI")
    lab.write_peers(lab.peers_text())
    wait_for(lambda: vnis() == {100}, 10, "packets have the old VNI again")


def test_two_networks_change_places_of_their_vnis(scene):
    """Each takes what the other has not yet given away."""
    lab = scene.lab
    swapped = NETWORKS.replace("100", "x").replace("300", "100").replace(
        "x", "300")
    lab.write_peers(lab.peers_text(swapped))

    def in_force():
        rows = scene.a.weft_json("network", "list")
        return {n["name"]: n["vni"] for n in rows} == {"blue": 300,
                                                       "red": 100}
    wait_for(in_force, SOON, "the networks have changed places")
    for endpoint in (scene.a1, scene.b1):
        wait_for(lambda: endpoint.row()["state"] == "up", SOON,
                 f"{endpoint} is up")
    wait_for(lambda: scene.a1.pings(scene.b1), SOON, "hostb has it, too")
    wait_for(lambda: problems(scene.a) == "", SOON, "all is well")
    assert "refused a change" not in scene.a.log()


def test_two_peers_change_places_of_their_addresses(scene):
    a, lab = scene.a, scene.lab
    addresses = ["192.168.50.201", "192.168.50.202"]

    def write(first, second):
        lab.write_peers(scene.with_peer(first)
                        + f"\n[peer hosty]\naddress = {second}\n")
        wait_for(lambda: has_tunnel(a, "hostx", first)
                 and has_tunnel(a, "hosty", second), SOON,
                 f"hostx is {first}, hosty is {second}")
    with scene.a1.pinger(scene.b1.ip4) as pinger:
        write(*addresses)
        write(*reversed(addresses))
    assert pinger.lost == []


def test_mass_removal_is_held_back_until_accepted(scene):
    a, lab = scene.a, scene.lab
    before = state_of_switch(a)
    text = lab.peers_text()
    with scene.a1.pinger(scene.b1.ip4) as pinger:
        lab.write_peers(text[:text.index("[peer hostb]")])
        wait_for(lambda: "weft directory accept" in problems(a), SOON,
                 "it says what is held back and what to do")
        assert "2 of 3 peers" in problems(a)
        assert state_of_switch(a) == before
    assert pinger.lost == []
    a.weft("directory", "accept")
    wait_for(lambda: tunnels(a) == {}, SOON, "the tunnels are gone")
    wait_for(lambda: not [p for p in ofports(a) if p.startswith("vx-")], SOON,
             "and their ports")
    assert "directory accept" not in problems(a)
    assert a.weft("directory", "accept", check=False).returncode == 1


def test_a_removal_that_is_taken_back_leaves_no_trace(scene):
    a, lab = scene.a, scene.lab
    before = state_of_switch(a)
    text = lab.peers_text()
    lab.write_peers(text[:text.index("[peer hostb]")])
    wait_for(lambda: "weft directory accept" in problems(a), SOON,
             "it is held back")
    lab.write_peers(text)
    wait_for(lambda: problems(a) == "", SOON, "all is well")
    assert state_of_switch(a) == before
    assert a.weft("directory", "accept", check=False).returncode == 1


# Who am I?

def start_nameless(lab):
    """weftd as without --name, in a list whose names are nobody's."""
    for host in lab.hosts:
        host.start_weftd("--datapath=netdev", "--underlay=eth0", plain=True)


def nameless(lab, text=None):
    text = text or lab.peers_text()
    for i, host in enumerate(lab.hosts):
        text = text.replace(f"[peer {host.name}]", f"[peer node{i + 1}]")
    lab.write_peers(text)
    return text


def test_equal_nat_addresses_confuse_nobody(make_lab):
    lab = make_lab(2, nat=True, weftd=False)
    nameless(lab)
    start_nameless(lab)
    a1, b1 = (Endpoint(h, f"n{h.name}") for h in lab.hosts)
    lab.wait_healthy()
    assert [h.status()["host"] for h in lab.hosts] == [
        "node1, 192.168.50.11", "node2, 192.168.50.12"]
    assert a1.pings(b1) and b1.pings(a1)


def test_a_host_in_no_section_says_so_and_what_it_looked_for(make_lab):
    lab = make_lab(1, underlay="both", nat=True, weftd=False)
    text = nameless(lab)
    lab.write_peers(text.replace("192.168.50.11", "192.168.50.77"))
    start_nameless(lab)
    a = lab.hosts[0]
    wait_for(lambda: "no [peer] section has an address" in problems(a), 3,
             "it says that it finds itself nowhere")
    for address in ("192.168.50.11", "fd50::11", "10.0.2.15"):
        assert problems(a).count(address) == 1
    refused = a.weft("attach", a.netns("red"), "--network", "blue",
                     check=False)
    assert refused.returncode == 1 and "192.168.50.11" in refused.stderr
    lab.write_peers(text)
    wait_for(lambda: problems(a) == "", 3, "it has found itself")
    a.weft("attach", "red", "--network", "blue")


def test_an_address_that_comes_later_is_found(make_lab):
    """The list is read again when the host gets its address."""
    lab = make_lab(1, weftd=False)
    nameless(lab)
    a = lab.hosts[0]
    a.ip("addr", "del", "192.168.50.11/24", "dev", "eth0")
    start_nameless(lab)
    wait_for(lambda: "no [peer] section has an address" in problems(a), 3,
             "it finds itself nowhere")
    a.ip("addr", "add", "192.168.50.11/24", "dev", "eth0")
    wait_for(lambda: problems(a) == "", 3, "it has found itself")
