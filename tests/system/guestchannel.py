#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""Commands, files and sockets of a host that is a virtual machine.

Three in one, so that both ends of the protocol stand side by side:

serve   the first process of the machine, guestchannel.py serve PORT
exec    guestchannel.py exec ADDRESS PORT NETNS DIRECTORY -- COMMAND...
        runs a command there: outputs, input, signals and end as if it ran
        here
call    as a module, call() and RemoteSocket: a function's value or exception

One TCP connection for each command, call or socket.  Whoever reaches the port
may do everything: it lies in a segment that holds nobody else.
"""

import os
import pickle
import select
import signal
import socket
import struct
import sys

HEADER = struct.Struct(">BI")
STDIN, STDOUT, STDERR, SIGNAL, EXIT, ERROR = range(6)
CHUNK = 1 << 16
COMMANDS = 9            # The descriptor of that segment's namespace, at start.


def send(connection, kind, data=b""):
    connection.sendall(HEADER.pack(kind, len(data)) + data)


def receive(connection):
    """(kind, data) of the next message, or None at the end."""
    header = _exactly(connection, HEADER.size)
    if header is None:
        return None
    kind, size = HEADER.unpack(header)
    data = _exactly(connection, size)
    return None if data is None else (kind, data)


def _exactly(connection, size):
    data = b""
    while len(data) < size:
        try:
            more = connection.recv(size - len(data))
        except ConnectionError:
            more = b""
        if not more:
            return None
        data += more
    return data


def request(connection, value):
    send(connection, STDIN, pickle.dumps(value))


def answer(connection):
    message = receive(connection)
    if message is None:
        raise ConnectionResetError("the guest is gone")
    value = pickle.loads(message[1])
    if message[0] == ERROR:
        raise value
    return value


# --- this end ---------------------------------------------------------------

def call(connection, function, args, options):
    """Calls a method of pathlib.Path, or another that _call() knows."""
    with connection:
        request(connection, ("call", function, args, options))
        return answer(connection)


class RemoteSocket:
    """A socket that lives in a namespace of the guest: the methods of
    socket.socket, each a round trip.  It has no fileno()."""

    def __init__(self, connect, netns, args, number=None):
        self._connect = connect
        self._connection = connect()
        request(self._connection, ("socket", netns, args, number))
        self._number = answer(self._connection)

    def __getattr__(self, name):
        if name.startswith("_") or name == "fileno":
            raise AttributeError(name)

        def method(*args):
            request(self._connection, (name, args))
            return answer(self._connection)
        return method

    def accept(self):
        request(self._connection, ("accept", ()))
        number, address = answer(self._connection)
        return RemoteSocket(self._connect, None, (), number), address

    def shutdown(self, how):
        """Also while another thread waits for an answer of this socket."""
        with self._connect() as connection:
            request(connection, ("shutdown", self._number, how))
            answer(connection)

    def close(self):
        self._connection.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()


def execute(address, port, netns, directory, argv):
    """Does not return."""
    connection = socket.create_connection((address, int(port)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP,
                   signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda number, _: send(connection, SIGNAL,
                                                     bytes([number])))
    request(connection, ("exec", argv, netns, directory, dict(os.environ)))
    sources = [0, connection]
    while True:
        for source in select.select(sources, [], [])[0]:
            if source == 0:
                data = os.read(0, CHUNK)
                if not data:
                    sources.remove(0)
                send(connection, STDIN, data)
                continue
            message = receive(connection)
            if message is None:
                print("the guest is gone", file=sys.stderr)
                os._exit(255)
            kind, data = message
            if kind in (STDOUT, STDERR):
                _write_all(1 if kind == STDOUT else 2, data)
            elif kind == ERROR:
                print(pickle.loads(data), file=sys.stderr)
                os._exit(127)
            elif kind == EXIT:
                _end_as(struct.unpack(">i", data)[0])


def _write_all(fd, data):
    while data:
        try:
            data = data[os.write(fd, data):]
        except BrokenPipeError:
            return                  # Nobody reads any more.


def _end_as(code):
    """As the command did: with its exit code, or by its signal."""
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


# --- the guest's ------------------------------------------------------------

def serve(port):
    """As the first process: a child does the work, this one buries."""
    if os.fork():
        os.close(COMMANDS)
        while True:
            try:
                os.wait()
            except ChildProcessError:
                signal.pause()
    os.setsid()
    import threading
    from namespaces import socket_in
    # The segment of the commands is no interface of the host's.
    listener = socket_in(f"/proc/self/fd/{COMMANDS}", socket.AF_INET,
                         socket.SOCK_STREAM)
    os.close(COMMANDS)
    listener.bind(("0.0.0.0", port))
    listener.listen(64)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_serve, args=(connection,),
                         daemon=True).start()


def _serve(connection):
    with connection:
        message = receive(connection)
        if message is None:
            return
        verb, *args = pickle.loads(message[1])
        try:
            {"exec": _exec, "call": _call, "socket": _socket,
             "shutdown": _shutdown}[verb](connection, *args)
        except Exception as e:
            try:
                send(connection, ERROR, pickle.dumps(e))
            except OSError:
                pass                # The other end did not wait for it.


def _call(connection, function, args, options):
    import pathlib
    if function == "reset":
        _kill_all()
        value = None
    elif function == "hostname":
        value = socket.sethostname(*args)
    elif function == "glob":
        value = [str(p) for p in pathlib.Path(args[0]).glob(args[1])]
    else:
        value = getattr(pathlib.Path(args[0]), function)(*args[1:],
                                                         **options)
    send(connection, STDOUT, pickle.dumps(value))


def _kill_all():
    """All processes but this and the first, and the kernel's; waits until they
    hold nothing any more."""
    import time
    from namespaces import process_stat
    killed = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in (1, os.getpid()):
            try:
                if os.readlink(f"/proc/{name}/exe"):
                    os.kill(int(name), signal.SIGKILL)
                    killed.append(name)
            except OSError:
                pass                # The kernel's, or gone.
    deadline = time.monotonic() + 10
    while killed and time.monotonic() < deadline:
        killed = [name for name in killed
                  if (process_stat(name) or "Z")[0] not in "ZX"]
        time.sleep(0.02)


_accepted = {}
_open = {}


def _socket(connection, netns, args, number):
    from namespaces import socket_in
    if number is None:
        ours = (socket_in(f"/run/netns/{netns}", *args) if netns
                else socket.socket(*args))
    else:
        ours = _accepted.pop(number)
    with ours:
        number = ours.fileno()
        _open[number] = ours
        try:
            send(connection, STDOUT, pickle.dumps(number))
            _socket_calls(connection, ours)
        finally:
            del _open[number]


def _shutdown(connection, number, how):
    send(connection, STDOUT, pickle.dumps(_open[number].shutdown(how)))


def _socket_calls(connection, ours):
    while (message := receive(connection)) is not None:
        name, args = pickle.loads(message[1])
        try:
            value = getattr(ours, name)(*args)
            if name == "accept":
                number = value[0].fileno()
                _accepted[number] = value[0]
                value = number, value[1]
            send(connection, STDOUT, pickle.dumps(value))
        except Exception as e:
            send(connection, ERROR, pickle.dumps(e))


def _exec(connection, argv, netns, directory, environment):
    import subprocess
    if netns:
        argv = ["nsenter", f"--net=/run/netns/{netns}", "--", *argv]
    process = subprocess.Popen(
        argv, env=environment, cwd=directory, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        bufsize=0)
    end = os.pidfd_open(process.pid)
    outputs = {process.stdout.fileno(): STDOUT,
               process.stderr.fileno(): STDERR}
    try:
        if not _relay(connection, process, outputs, end):
            os.killpg(process.pid, signal.SIGKILL)
    finally:
        process.wait()
        os.close(end)
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


def _relay(connection, process, outputs, end):
    """Whether the command ended before who waited for it."""
    ended = False
    while True:
        ready = select.select([connection, *outputs] + [end] * (not ended),
                              [], [], 0 if ended else None)[0]
        if connection in ready:
            message = receive(connection)
            if message is None:
                return False
            _input(process, *message)
        for fd in ready:
            if fd in outputs:
                data = os.read(fd, CHUNK)
                if data:
                    send(connection, outputs[fd], data)
                else:
                    del outputs[fd]
        if ended and not any(fd in outputs for fd in ready):
            send(connection, EXIT, struct.pack(">i", process.wait()))
            return True
        # Once more, for what it wrote last.
        ended = ended or end in ready


def _input(process, kind, data):
    if kind == SIGNAL:
        process.send_signal(data[0])
    elif not data:
        process.stdin.close()
    else:
        try:
            _write_all(process.stdin.fileno(), data)
        except ValueError:
            pass                    # It is closed.


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        execute(*sys.argv[2:6], sys.argv[7:])
