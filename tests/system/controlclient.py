# SPDX-License-Identifier: Apache-2.0
"""The control socket of a host's weftd, byte by byte."""

import contextlib
import json
import socket

from host import PATIENCE


def control(host):
    """Its path, in the host."""
    return f"/run/openvswitch/weftd.{host.daemon_pid('weftd')}.ctl"


class Client(socket.socket):
    """Root's connection, from outside."""

    def __init__(self, host):
        super().__init__(socket.AF_UNIX)
        self.settimeout(10 * PATIENCE)
        self.connect(str(host.path(control(host))))
        self.rest = ""

    def answer(self):
        """The next message from weftd; None at the end."""
        while True:
            with contextlib.suppress(ValueError):
                value, end = json.JSONDecoder().raw_decode(self.rest)
                self.rest = self.rest[end:]
                return value
            try:
                data = self.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                assert not self.rest, self.rest
                return None
            self.rest += data.decode()


def request(method="version", *params, id=0):
    return json.dumps({"id": id, "method": method,
                       "params": params}).encode()
