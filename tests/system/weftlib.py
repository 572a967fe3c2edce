# SPDX-License-Identifier: Apache-2.0
"""What the tests of the commands share: one lab for a whole module, and looks
at everything on a host that an endpoint could leave something in.
"""

import contextlib
import difflib
import json
import pprint

import pytest

from conftest import BUILD
from lab import Lab, wait_for
from scene import LEARNED


def lab_fixture(**options):
    """A fixture: one healthy lab for all tests of a module."""
    @pytest.fixture(scope="module")
    def module_lab(request):
        failed = request.session.testsfailed
        lab = Lab(build=BUILD, **options)
        try:
            lab.wait_healthy()
            yield lab
        finally:
            lab.close(request.session.testsfailed > failed)
    return module_lab


@contextlib.contextmanager
def bare(lab):
    """The hosts of a lab; afterwards without endpoints and namespaces."""
    yield lab.hosts
    for host in lab.hosts:
        host.weft("detach", "--all")
        names = host.weft("netns", "list").stdout.split()
        if names:
            host.weft("netns", "del", *names)
        wait_for(lambda: not [n for n in links(host) if n[:3] == "wf-"], 10,
                 f"the links of {host.name} are gone")
        forget_packets(host)


def forget_packets(host):
    """Empties the switch's cache of flows.  It keeps what was dropped for an
    address that was detached, and is put right some milliseconds after the
    flow tables: a property of the switch, that an endpoint with an address
    that was used a moment ago would meet."""
    host.ovs_appctl("revalidator/purge")


def attach(host, netns, *args):
    """Makes the namespace if it is not there; returns the endpoint."""
    if not host.path(f"/run/netns/{netns}").exists():
        host.weft("netns", "add", netns)
    return host.weft_json("attach", netns, *args)


def attach_again(hosts, host, netns, *args):
    """Attaches what had its address a moment ago, here or elsewhere."""
    endpoint = attach(host, netns, *args)
    for each in hosts:
        forget_packets(each)
    return endpoint


def endpoints(host):
    """Name to endpoint, of `weft endpoint list`."""
    return {e["name"]: e for e in host.weft_json("endpoint", "list")}


def address(endpoint, version):
    """Its first address of that family, without the length."""
    for ip in endpoint["ip"]:
        if (":" in ip) == (version == 6):
            return ip.partition("/")[0]
    raise AssertionError(f"no IPv{version} address in {endpoint}")


def ip_json(host, *args, netns=None):
    return json.loads(host.ip("-j", *args, netns=netns))


def inside(host, netns, ifname="eth0"):
    """What `ip addr` shows of an interface in a named namespace."""
    return ip_json(host, "addr", "show", "dev", ifname, netns=netns)[0]


def links(host, netns=None):
    """Name to ifindex."""
    return {link["ifname"]: link["ifindex"]
            for link in ip_json(host, "link", netns=netns)}


def rows(host):
    """The interfaces of the database, without what only counts."""
    return host.ovs_vsctl("--columns=_uuid,name,type,ofport,error,"
                          "external_ids,options", "list", "interface")


def flows(host):
    """Those that the switch has not learned."""
    return sorted(f for f in host.flows() if LEARNED not in f)


def traces(host, *netnses):
    """All that an endpoint could leave something in."""
    return {
        "links": links(host),
        "rows": rows(host),
        "flows": flows(host),
        "groups": sorted(host.ovs_ofctl("--names", "dump-groups", "br-weft")
                         .splitlines()),
        "endpoints": host.weft_json("endpoint", "list"),
        **{netns: links(host, netns) for netns in netnses},
    }


def assert_traces(host, before, *netnses):
    """Nothing is left of what was tried: a link may go a moment later."""
    def same():
        after = traces(host, *netnses)
        differs = [f"{part}:\n{changes(before[part], after[part])}"
                   for part in before if before[part] != after[part]]
        assert not differs, "\n".join(differs)
        return True
    wait_for(same, 5, "nothing is left behind")


def changes(before, after):
    return "\n".join(line for line in difflib.ndiff(
        *(pprint.pformat(value, width=1000).splitlines()
          for value in (before, after))) if line[0] != " ")


def refused(host, *args, code=1, stdin=None):
    """A command that must fail with one line, which is returned."""
    result = host.weft(*args, check=False, stdin=stdin)
    assert result.returncode == code, result
    assert not result.stdout, result.stdout
    assert result.stderr.startswith("weft: "), result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.endswith("\n"), result.stderr
    return result.stderr[len("weft: "):-1]


@contextlib.contextmanager
def dweller(host, netns):
    """A process that lives in a named namespace; its pid in the host."""
    with host.popen(["sleep", "60"], netns=netns) as process:
        try:
            yield wait_for(lambda: host.ip("netns", "pids", netns).strip(),
                           what=f"a process lives in {netns}")
        finally:
            process.terminate()


def assert_pings(host, netns, endpoint):
    """Both its addresses answer the very first packet."""
    host.lab.settle()
    for version in (4, 6):
        to = address(endpoint, version)
        assert host.ping(to, netns), (
            f"{to} from {netns} on {host.name}; again: "
            f"{host.ping(to, netns)}, knows: "
            + host.ip("neigh", "show", netns=netns))


def cpu_ticks(host):
    """Hundredths of a second."""
    pid = host.daemon_pid("weftd")
    words = host.path(f"/proc/{pid}/stat").read_text().split()
    return int(words[13]) + int(words[14])
