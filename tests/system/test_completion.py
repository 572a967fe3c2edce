# SPDX-License-Identifier: Apache-2.0
"""Completion in bash knows what there is on this host now.  What it knows of
commands and options is tests/completion/."""

import pytest

from conftest import BUILD
from lab import wait_for
from weftlib import attach, bare, lab_fixture

lab = lab_fixture(hosts=2, networks="""\
[network blue]
vni = 100
subnet = 10.1.0.0/16
external = nat
""")
SCRIPT = f"{BUILD}/agent/completion/weft.bash"


@pytest.fixture
def complete(lab):
    with bare(lab) as hosts:
        attach(hosts[0], "red", "--name", "web")
        hosts[0].weft("publish", "8080:web:80")

        def run(*words):
            return hosts[0].run(
                ["bash", "-c", '. "$0"; COMP_WORDS=(weft "$@") COMP_CWORD=$#; '
                 '_weft; printf "%s\\n" "${COMPREPLY[@]}"', SCRIPT,
                 *words]).stdout.split()
        yield run


@pytest.mark.parametrize("words, wanted", [
    (["endpoint", "show", ""], ["web"]),
    (["detach", "w"], ["web"]),
    (["attach", ""], ["red"]),
    (["attach", "red", "--network", ""], ["blue"]),
    (["attach", "red", "--network", "=", "b"], ["blue"]),
    (["network", "show", ""], ["blue"]),
    (["peer", "show", "host"], ["hosta", "hostb"]),
    (["netns", "del", "r"], ["red"]),
    (["unpublish", "8"], ["8080"]),
    (["who", "wf-"], ["wf-web"]),
])
def test_values(complete, words, wanted):
    # It gives weft a second, and else offers nothing.
    def offered():
        assert complete(*words) == wanted
        return True
    wait_for(offered)
