# SPDX-License-Identifier: Apache-2.0
"""Faults of the agent: nobody notices."""


def test_killed_while_idle(world):
    with world.lossless():
        world.a.kill_weftd()
        world.a.start_weftd()


def test_restarted(world):
    with world.lossless():
        world.a.stop_weftd()
        world.a.start_weftd()
