# SPDX-License-Identifier: Apache-2.0
"""What the tests of the commands share: a lab for a whole module, and looks
at everything on a host that an endpoint could leave something in.
"""

import contextlib

import pytest

from conftest import BUILD
from lab import Lab, wait_for


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
def bare(*hosts):
    """Hosts that have no endpoint and no namespace, before and after."""
    yield hosts
    for host in hosts:
        host.weft("detach", "--all")
        names = host.weft("netns", "list").stdout.split()
        if names:
            host.weft("netns", "del", *names)
        for path in ("/tmp/weft-test",):
            host.sh(f"rm -rf {path}")


def attach(host, netns, *args):
    """Makes the namespace if it is not there; returns the endpoint."""
    if netns not in host.weft("netns", "list").stdout.split():
        host.weft("netns", "add", netns)
    return host.weft_json("attach", netns, *args)


def address(endpoint, version):
    """Its first address of that family, without the length."""
    for ip in endpoint["ip"]:
        if (":" in ip) == (version == 6):
            return ip.partition("/")[0]
    raise AssertionError(f"no IPv{version} address in {endpoint}")


def inside(host, netns, ifname="eth0"):
    """`ip -j addr show` of an interface in a named namespace."""
    return host.json("ip", "-j", "-netns", netns, "addr", "show", "dev",
                     ifname)[0]


def links(host, netns=None):
    """Name to ifindex."""
    args = ["-netns", netns] if netns else []
    return {link["ifname"]: link["ifindex"]
            for link in host.json("ip", "-j", *args, "link")}


def rows(host):
    """The interfaces of the database, without what only counts."""
    return host.ovs_vsctl("--columns=_uuid,name,type,ofport,error,"
                          "external_ids,options", "list", "interface")


def traces(host, *netnses):
    """All that an endpoint could leave something in.  What the switch has
    learned by itself is left out: it comes and goes with packets."""
    return {
        "links": links(host),
        "rows": rows(host),
        "flows": [f for f in host.flows() if "table=learned" not in f],
        "groups": host.ovs_ofctl("dump-groups", "br-weft"),
        "endpoints": host.weft_json("endpoint", "list"),
        **{netns: links(host, netns) for netns in netnses},
    }


def assert_traces(host, before, *netnses):
    """Nothing is left of what was tried: links may go a moment later."""
    def same():
        assert traces(host, *netnses) == before
        return True
    wait_for(same, 1, "nothing is left behind")


def refused(host, *args, code=1, stdin=None):
    """A command that must fail with one line, which is returned."""
    result = host.weft(*args, check=False, stdin=stdin)
    assert result.returncode == code, result
    assert not result.stdout, result.stdout
    assert result.stderr.startswith("weft: "), result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.endswith("\n"), result.stderr
    return result.stderr[len("weft: "):-1]
