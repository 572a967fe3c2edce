# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the system tests.  They need root, as the lab does.

lab         two hosts, each with its Open vSwitch and its weftd
make_lab    makes labs: make_lab(hosts=3, nat=True).  See lab.Lab.
hosts       those of the module's own lab, `shared`; hosta is the first one.
world       what the fault suite breaks.  See faults/world.py.

Every lab is removed after its test.  If the test failed, its logs are kept
(below $WEFT_TEST_LOGS or /tmp) and the end of each weftd's log is shown.
"""

import os
import shutil

import pytest

from lab import Lab

# The binaries under test: the build tree that comes first in PATH.
WEFTD = shutil.which("weftd")
BUILD = os.environ.get("WEFT_BUILD") or WEFTD and os.path.dirname(WEFTD)
LOG_LINES = 30


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "once: not under the sanitizers again: it is the servers "
        "that are tested, or most of the time is spent with waiting")
    config.addinivalue_line(
        "markers", "guests: of those that ./quickstart check guests runs, on "
        "hosts that are virtual machines with the kernel's datapath; "
        "guests(only=True): in no other lab")


def pytest_collection_modifyitems(config, items):
    if os.environ.get("WEFT_LAB") != "guests":
        others = [item for item in items
                  for mark in item.iter_markers("guests")
                  if mark.kwargs.get("only")]
        if others:
            config.hook.pytest_deselected(items=others)
            items[:] = [i for i in items if i not in others]
    if items and os.geteuid() != 0:
        pytest.exit("the system tests need root", returncode=1)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        item.stash[FAILED] = True
        for lab in item.stash.get(LABS, []):
            for host in lab.hosts:
                tail = "\n".join(host.log().splitlines()[-LOG_LINES:])
                if tail:
                    report.sections.append((f"weftd.log of {host.name}",
                                            tail))


FAILED = pytest.StashKey()
LABS = pytest.StashKey()


@pytest.fixture
def make_lab(request):
    labs = request.node.stash.setdefault(LABS, [])

    def make(hosts=2, **options):
        options.setdefault("build", BUILD)
        labs.append(Lab(hosts, **options))
        return labs[-1]

    yield make
    failed = request.node.stash.get(FAILED, False)
    complaints = []
    for lab in labs:
        try:
            lab.close(failed)
        except Exception as e:      # The others are to be closed all the same.
            complaints.append(str(e))
        if lab.kept:
            print(f"lab {lab.name}: logs in {lab.kept}")
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def lab(make_lab):
    return make_lab()


@pytest.fixture
def hosts(shared):
    """Of the lab that a module shares, weftlib.lab_fixture().  Each test
    leaves them without endpoints and namespaces."""
    from weftlib import bare
    with bare(shared) as them:
        yield them


@pytest.fixture
def hosta(hosts):
    return hosts[0]


@pytest.fixture(scope="module")
def module_world(request):
    from world import World         # Of faults/, where its users are.
    failed = request.session.testsfailed
    made = World(BUILD)
    try:
        made.populate()
        yield made
    finally:
        made.close(failed=request.session.testsfailed > failed)


@pytest.fixture
def world(module_world):
    """Each test leaves all as it was: within 5 s of its end the checker finds
    nothing that differs."""
    yield module_world
    module_world.check()
