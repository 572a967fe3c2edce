# SPDX-License-Identifier: Apache-2.0
"""What the lab needs of the kernel: namespaces with a first process of their
own, mounts, and the end of exactly the process that was meant.

Knows nothing of labs.  Python has unshare() and setns() only from 3.12 on.
"""

import contextlib
import ctypes
import os
import select
import signal
import socket
import traceback
from pathlib import Path


class NamespaceError(Exception):
    """The kernel refused; the text says what."""


CLONE_NEWNS, CLONE_NEWUTS = 0x00020000, 0x04000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x2, 0x4, 0x8
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MNT_DETACH = 2
PR_SET_NAME = 15

_libc = ctypes.CDLL(None, use_errno=True)


def syscall(name, *args):
    if getattr(_libc, name)(*args) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def mount(source, target, kind=None, flags=0, data=None):
    def c(value):
        return None if value is None else os.fsencode(value)
    try:
        syscall("mount", c(source), c(target), c(kind),
                ctypes.c_ulong(flags), c(data))
    except OSError as e:
        raise NamespaceError(f"cannot mount {kind or source} on {target}: "
                             f"{os.strerror(e.errno)}") from e


def process_stat(pid, proc=Path("/proc")):
    """(state, parent, start time) of a process, or None without it.

    The state is of its first thread, or "dying" when only others are left:
    they hold its descriptors, so its locks and sockets, until the last ends.
    """
    try:
        fields = (proc / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return None
    fields = fields.rpartition(")")[2].split()
    state = "dying" if fields[0] == "Z" and fields[17] != "1" else fields[0]
    return state, int(fields[1]), int(fields[19])


def process_alive(pid, started, proc=Path("/proc")):
    """Whether the process runs that had this id and this start time."""
    stat = process_stat(pid, proc)
    return stat is not None and stat[0] not in "ZX" and stat[2] == started


def socket_in(namespace, *args):
    """socket.socket(*args) inside the network namespace of that path."""
    with open("/proc/thread-self/ns/net") as home, open(namespace) as there:
        syscall("setns", there.fileno(), CLONE_NEWNET)
        try:
            return socket.socket(*args)
        finally:
            syscall("setns", home.fileno(), CLONE_NEWNET)


def kill_and_wait(pid, started, timeout=20):
    """Kills exactly that process; when it is an init, all that it holds."""
    # The pidfd names it whatever becomes of the number.
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if not process_alive(pid, started):
            return
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        if not poll.poll(timeout * 1000):
            raise NamespaceError(f"process {pid} does not end")
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
    finally:
        os.close(fd)


def _leave_descriptors(keep):
    """Closes all but 'keep' in a child, and gives it /dev/null as 0 to 2."""
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    last = 2
    for fd in sorted(keep):
        os.closerange(last + 1, fd)
        last = fd
    os.closerange(last + 1, os.sysconf("SC_OPEN_MAX"))


def spawn_init(setup, stay, within=None, lifeline=None):
    """Starts a first process of new namespaces and returns its pid.

    'setup' is run there and may fail; what it says is raised here.  'stay'
    follows and does not return.  'within' is the pid of an init whose PID
    namespace shall hold the new one, and which is then its parent; else the
    caller is.
    """
    ours, theirs = os.pipe()
    keep = [theirs] + ([] if lifeline is None else [lifeline])

    def start():
        child = _fork_first()
        if child == 0:
            _be_first(setup, stay, theirs, keep)
        return child

    def start_within():
        # A member of that namespace has to do it, so that the orphan it
        # leaves falls to that namespace's init.
        child = os.fork()
        if child == 0:
            with _child(theirs), open(f"/proc/{within}/ns/pid") as namespace:
                syscall("setns", namespace.fileno(), CLONE_NEWPID)
                member = os.fork()
                if member == 0:
                    with _child(theirs):
                        start()
                        os._exit(0)
                os.waitpid(member, 0)
                os._exit(0)
        os.waitpid(child, 0)

    try:
        start_within() if within else start()
    finally:
        os.close(theirs)
    with open(ours, encoding="utf-8") as pipe:
        # Ends when the init has closed 'theirs', or has lost it to exec.
        pid, _, rest = pipe.read().partition("\n")
    if rest != "ready\n":
        raise NamespaceError(rest or pid or "a namespace could not be made")
    return int(pid)


def _fork_first():
    """fork(), but the child is the first of a new PID namespace."""
    with open("/proc/self/ns/pid") as namespace:
        syscall("unshare", CLONE_NEWPID)
        child = -1
        try:
            child = os.fork()
            return child
        finally:
            if child:
                syscall("setns", namespace.fileno(), CLONE_NEWPID)


@contextlib.contextmanager
def _child(report):
    """What a forked child does: it never comes back, and says why."""
    try:
        yield
    except NamespaceError as e:
        os.write(report, str(e).encode())
    except BaseException:
        os.write(report, traceback.format_exc().encode())
    finally:
        os._exit(1)


def _be_first(setup, stay, report, keep):
    with _child(report):
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP,
                       signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        # Nobody waits for the orphans in here: let the kernel do it.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        os.umask(0o022)
        _leave_descriptors(keep)
        syscall("unshare", CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS)
        # /proc is still that of the caller, so this is its pid there.
        os.write(report, f"{os.readlink('/proc/self')}\n".encode())
        setup()
        os.write(report, b"ready\n")
        os.close(report)
        stay()


def sleep_forever(label):
    # The name is what ps shows.
    os.execv("/bin/sleep", [label, "infinity"])
