# SPDX-License-Identifier: Apache-2.0
"""docs/exercises.md says what is so: each of its commands is run, in order."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs/exercises.md"
COMMAND = re.compile(r"^    (host[ab])# (.*?)(\s+# fails)?$", re.M)


def test_every_command_of_the_exercises(make_lab):
    lab = make_lab(outside=True)
    commands = COMMAND.findall(PAGE.read_text())
    assert len(commands) > 50
    for host, command, fails in commands:
        if "ping" in command:       # Nobody who types is that fast.
            lab.settle()
        elif command == "weft status":
            lab[host].wait_healthy()
        result = lab[host].run(["sh", "-c", command], check=False)
        assert bool(result.returncode) == bool(fails), (
            f"{host}# {command}\n{result.stdout}{result.stderr}")
