# SPDX-License-Identifier: Apache-2.0
"""A shared directory of its own for a test: one ovsdb-server with our schema
in a new directory, and who talks to it.  No host of a lab, no cluster.
"""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

from conftest import BUILD
from directory import SCHEMA
from host import wait_for


class DirectoryServer:
    """A context: the server runs, and nothing is left of it."""

    def __init__(self):
        self.process = None
        self.arguments = ()         # More of them, for ovsdb-server.

    def __enter__(self):
        self.where = Path(tempfile.mkdtemp(prefix="weft-directory-"))
        self.socket = self.where / "weft-directory.sock"
        self.remote = f"unix:{self.socket}"
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def prepare(self):
        """Something before the server starts."""

    def start(self):
        database = self.where / "directory.db"
        subprocess.run(["ovsdb-tool", "create", database, SCHEMA], check=True)
        self.process = subprocess.Popen(
            ["ovsdb-server", f"--remote=p{self.remote}",
             "--remote=db:Weft,Directory,connections",
             f"--unixctl={self.where}/ctl", f"--log-file={self.where}/log",
             "--verbose=console:emer", *self.arguments, database])

        def listens():
            # The socket is there a moment before somebody listens.
            with socket.socket(socket.AF_UNIX) as probe:
                return probe.connect_ex(str(self.socket)) == 0
        wait_for(listens, 10, "the server listens")

    def __exit__(self, *_):
        if self.process:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.where)

    def weft(self, *args, stdin=None, check=True):
        """The command `weft`, which finds the server by itself."""
        result = subprocess.run(
            [f"{BUILD}/weft", *map(str, args)], input=stdin, text=True,
            capture_output=True, timeout=60,
            env={**os.environ, "OVS_RUNDIR": str(self.where)})
        assert not check or result.returncode == 0, result
        return result

    def refused(self, *args, code=1):
        """A command that must fail with one line, which is returned."""
        result = self.weft(*args, check=False)
        assert result.returncode == code, result
        assert not result.stdout, result
        assert result.stderr.startswith("weft: "), result
        assert result.stderr.count("\n") == 1, result
        assert result.stderr.endswith("\n"), result
        return result.stderr[len("weft: "):-1]

    def try_transact(self, *operations, remote=None, options=()):
        """The results, of which some may be errors."""
        result = subprocess.run(
            ["ovsdb-client", "--timeout=10", *options, "transact",
             remote or self.remote, json.dumps(["Weft", *operations])],
            capture_output=True, text=True)
        assert result.returncode == 0, result
        return json.loads(result.stdout)

    def transact(self, *operations):
        results = self.try_transact(*operations)
        assert not errors(results), results
        return results

    def insert(self, table, /, **row):
        return self.transact(insert(table, **row))[0]["uuid"]

    def rows(self, table, *columns):
        """All rows of a table, as they stand in results; all columns, if none
        is named."""
        operation = {"op": "select", "table": table, "where": []}
        if columns:
            operation["columns"] = columns
        return self.transact(operation)[0]["rows"]

    def listen(self, target, role):
        """Makes the server listen, and returns the port."""
        self.transact(
            insert("Connection", target=target, role=role,
                   **{"uuid-name": "c"}),
            insert("Directory", connections=["set", [["named-uuid", "c"]]]))

        def bound():
            status = self.rows("Connection", "status")[0]["status"]
            return dict(status[1]).get("bound_port")
        return wait_for(bound, 10, "the listener has its port")


def insert(table, /, **row):
    operation = {"op": "insert", "table": table, "row": row}
    if "uuid-name" in row:
        operation["uuid-name"] = row.pop("uuid-name")
    return operation


def errors(results):
    return [r for r in results if r and "error" in r]


class Meddler:
    """Stands between a client and the server, and does something right before
    the server hears of the first transaction that waits for what was read to
    be so still.  'seen' counts those transactions."""

    def __init__(self, server, meddle):
        self.server = server
        self.meddle = meddle
        self.seen = 0

    def __enter__(self):
        path = self.server.where / "meddler"
        self.remote = f"unix:{path}"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.listener.close()
        (self.server.where / "meddler").unlink()

    def run(self):
        try:
            client, _ = self.listener.accept()
        except OSError:
            return                  # Nobody came.
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self.server.socket))
        back = threading.Thread(target=copy, args=(server, client),
                                daemon=True)
        back.start()
        copy(client, server, self.look)
        back.join(10)
        client.close()
        server.close()

    def look(self, data):
        if b'"wait"' in data:
            self.seen += 1
            if self.seen == 1:
                self.meddle()


def copy(source, sink, look=lambda data: None):
    while data := source.recv(1 << 16):
        look(data)
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)
