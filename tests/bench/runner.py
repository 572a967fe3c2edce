#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs commands inside a host of the lab and tells when each began and ended.

attach.py keeps one in every host, so that neither nsenter nor a large Python
process stands within the times.  A request is a line of JSON on standard
input, the answer one on standard output; times are CLOCK_MONOTONIC in ns.

    {"run": ARGV, "stdin": TEXT}    -> {"begin", "end", "status", "output"}
    {"ask": [METHOD, ARG...]}       weftd's control socket, without a command
                                    -> {"begin", "end", "error"}
    {"ipv6": true, "netns": [NAME...]}
                                    IPv6 on or off in named namespaces
"""

import ctypes
import glob
import json
import os
import socket
import sys
import tempfile
import time

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def run(request):
    output = tempfile.TemporaryFile()
    given = open("/dev/null", "rb")
    if request.get("stdin"):
        given = tempfile.TemporaryFile()
        given.write(request["stdin"].encode())
        given.flush()
        given.seek(0)
    actions = [(os.POSIX_SPAWN_DUP2, given.fileno(), 0),
               (os.POSIX_SPAWN_DUP2, output.fileno(), 1),
               (os.POSIX_SPAWN_DUP2, output.fileno(), 2)]
    argv = request["run"]
    begin = time.monotonic_ns()
    pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=actions)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    end = time.monotonic_ns()
    output.seek(0)
    text = output.read().decode(errors="replace")
    output.close()
    given.close()
    return {"begin": begin, "end": end, "status": status, "output": text}


def ask(request):
    path = glob.glob("/run/openvswitch/weftd.*.ctl")[0]
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        message = json.dumps({"id": 0, "method": request["ask"][0],
                              "params": request["ask"][1:]}).encode()
        begin = time.monotonic_ns()
        s.sendall(message)
        answer = b""
        while True:
            answer += s.recv(65536)
            try:
                answer = json.loads(answer)
                break
            except ValueError:
                pass
        return {"begin": begin, "end": time.monotonic_ns(),
                "error": answer["error"]}


def set_ipv6(request):
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    for name in request["netns"]:
        fd = os.open(f"/run/netns/{name}", os.O_RDONLY)
        libc.setns(fd, CLONE_NEWNET)
        for which in ("all", "default"):
            with open(f"/proc/sys/net/ipv6/conf/{which}/disable_ipv6",
                      "w") as f:
                f.write("0" if request["ipv6"] else "1")
        os.close(fd)
    libc.setns(own, CLONE_NEWNET)
    os.close(own)
    return {}


def main():
    for line in sys.stdin:
        request = json.loads(line)
        answer = (run(request) if "run" in request
                  else ask(request) if "ask" in request
                  else set_ipv6(request))
        print(json.dumps(answer), flush=True)


main()
