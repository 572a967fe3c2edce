#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Installs the Debian package in a bare Debian, and removes it again.

    package.py --dir DIR [--tree TREE] [--dist TARBALL] [NAME...]

DIR has the weft_*.deb of build.sh, and keeps a bare root in a tar archive for
the next run.  The root is made by mmdebstrap from the sources of packages that
this machine has.  With the tarball of `make dist`, the package is built of
that as well, and must be the same.  Needs root, binutils, dpkg-dev, lintian,
mmdebstrap and systemd.  Prints a line for each test, what is to be shown of it,
and how many passed.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# What dpkg, apt and ldconfig write down; it is nobody's.
NOTES = re.compile(r"/(var/lib/(dpkg|apt|systemd/deb-systemd-helper-\w+)/"
                   r"|var/(log|cache)/|etc/ld\.so\.cache|tmp/|proc/|sys/"
                   r"|dev/)")
TESTS = []


def test(function):
    TESTS.append(function)
    return function


class Failed(Exception):
    """One line or more on what was not as it should be."""


def run(*argv, check=True, **options):
    result = subprocess.run([str(a) for a in argv], text=True, check=False,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT,
                            env={**os.environ, "LC_ALL": "C.UTF-8",
                                 "DEBIAN_FRONTEND": "noninteractive"},
                            **options)
    if check and result.returncode:
        raise Failed(" ".join(map(str, argv)) + f": exit "
                     f"{result.returncode}\n{result.stdout[-3000:]}")
    return result.stdout


class Root:
    """A root made anew of the archive; gone after its `with`."""

    def __init__(self, directory):
        self.directory = directory

    def __enter__(self):
        archive = bare(self.directory)
        self.path = Path(tempfile.mkdtemp(prefix="root.", dir=self.directory))
        try:
            run("tar", "-C", self.path, "--numeric-owner", "-xf", archive)
            for name in ("resolv.conf", "hosts"):
                shutil.copy(f"/etc/{name}", self.path / "etc" / name)
            # Nothing may start here: it would be on this machine.
            policy = self.path / "usr/sbin/policy-rc.d"
            policy.write_text("#!/bin/sh\nexit 101\n")
            policy.chmod(0o755)
            (self.path / "etc/apt/apt.conf.d/99test").write_text(
                apt_settings() + 'APT::Install-Recommends "false";\n')
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path)

    def run(self, *argv, **options):
        return run("chroot", self.path, *argv, **options)

    def put(self, package):
        shutil.copy(package, self.path / "tmp" / package.name)
        return f"/tmp/{package.name}"

    def files(self):
        """All that is there, but for what is nobody's."""
        names = set()
        for where, folders, files in os.walk(self.path):
            there = "/" + os.path.relpath(where, self.path)
            for name in folders + files:
                name = os.path.normpath(f"{there}/{name}")
                if not NOTES.match(name + "/"):
                    names.add(name)
        return names


def apt_settings():
    """How this machine's apt gets at its sources."""
    return "".join(line + "\n" for line in run("apt-config", "dump",
                                               "Acquire").splitlines()
                   if re.match("Acquire::(https?|Check-|Retries)", line))


def bare(directory, name="bare", include=()):
    """The archive of a bare Debian of this machine's release."""
    archive = directory / f"{name}.tar"
    if archive.exists():
        return archive
    sources = directory / "sources.list"
    sources.write_text("".join(sorted(
        f"deb {line}\n" for line in set(run(
            "apt-get", "indextargets", "--format",
            "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages",
            "Origin: Debian").splitlines()))))
    if not sources.read_text():
        raise Failed("apt knows no package of Debian: try apt-get update")
    settings = directory / "apt.conf"
    settings.write_text(apt_settings())
    release = dict(line.split("=", 1) for line in
                   Path("/etc/os-release").read_text().splitlines()
                   if "=" in line)["VERSION_CODENAME"]
    new = directory / "new.tar"
    run("mmdebstrap", "--mode=root", "--variant=minbase",
        f"--keyring={KEYRING}", f"--aptopt={settings}",
        *([f"--include={','.join(include)}"] if include else ()), release,
        new, sources)
    new.rename(archive)
    return archive


def version_of_configure(tree):
    text = (tree / "configure.ac").read_text()
    return re.search(r"AC_INIT\(\[weft\], \[([^]]+)\]", text)[1]


# --- the tests -------------------------------------------------------------

@test
def version(args):
    """The package's version is configure.ac's."""
    wanted = version_of_configure(args.tree)
    found = run("dpkg-deb", "-f", args.package, "Version").strip()
    if found != wanted:
        raise Failed(f"the package is {found}, configure.ac says {wanted}: "
                     "bring debian/changelog up to date")


@test
def lintian(args):
    """lintian finds neither an error nor a warning."""
    changes = next(args.dir.glob("weft_*.changes"))
    run("lintian", "--allow-root", "--fail-on", "error,warning", changes)


@test
def manuals(args):
    """Every command has a man page."""
    names = re.findall(r"\./(usr/\S+)", run("dpkg-deb", "-c", args.package))
    commands = [n for n in names if re.match(r"usr/s?bin/[^/]+$", n)]
    pages = {Path(n).name.split(".")[0] for n in names
             if n.startswith("usr/share/man/man")}
    lacking = {Path(c).name for c in commands} - pages
    if lacking or len(commands) < 2:
        raise Failed(f"commands {commands}, without a page: {lacking}")


@test
def scripts(args):
    """What is run by a shell passes shellcheck, units pass systemd."""
    with tempfile.TemporaryDirectory(dir=args.dir) as there:
        run("dpkg-deb", "-x", args.package, there)
        found = list(Path(there).glob("usr/libexec/weft/*"))
        if len(found) != 2:
            raise Failed(f"not the two scripts of qemu: {found}")
        run("shellcheck", *found)
        run("shellcheck", "-s", "bash", Path(
            there) / "usr/share/bash-completion/completions/weft")
        units = sorted(Path(there).glob("lib/systemd/system/*"))
        if [u.name for u in units] != ["weft-directory.service",
                                       "weft-netns@.service", "weft.service"]:
            raise Failed(f"units: {units}")
        # They name programs of a host that has the package.
        for unit in units:
            text = unit.read_text()
            unit.write_text(re.sub(r"=(/usr/s?bin/weft)", f"={there}\\1",
                                   text))
        said = run("systemd-analyze", "verify", "--man=no",
                   *(u if "@" not in u.name else
                     u.with_name("weft-netns@red.service") for u in units))
        if said:
            raise Failed(said)


@test
def exposure(args):
    """The sandboxes of the services leave less than 4.0 of 10 exposed."""
    with tempfile.TemporaryDirectory(dir=args.dir) as there:
        run("dpkg-deb", "-x", args.package, there)
        units = sorted(Path(there).glob("lib/systemd/system/*"))
        said = [run("systemd-analyze", "security", "--offline=true",
                    "--no-pager", unit) for unit in units]
    overall = [re.search(r"Overall exposure level for (\S+): ([\d.]+)", text)
               for text in said]
    for found, text in zip(overall, said):
        if not found or float(found[2]) >= 4:
            raise Failed(text)
    if len(overall) != 3:
        raise Failed(f"units: {units}")
    return "\n".join(f"{found[1]}: {found[2]}" for found in overall)


@test
def hardening(args):
    """The programs have what the compiler can do against attackers."""
    with tempfile.TemporaryDirectory(dir=args.dir) as there:
        run("dpkg-deb", "-x", args.package, there)
        return run(args.tree / "tests/hardening.sh", f"{there}/usr/sbin/weftd",
                   f"{there}/usr/bin/weft")


@test
def tarball(args):
    """The tarball of make dist builds the same package."""
    if not args.dist:
        raise Failed("no tarball: --dist=FILE")
    with tempfile.TemporaryDirectory(dir=args.dir) as there:
        run("tar", "-C", there, "-xf", args.dist)
        tree = next(Path(there).iterdir())
        run(tree / "tests/package/build.sh", tree, f"{there}/made")
        made = next(Path(there).glob("made/weft_*.deb"))
        ours, its = content(args.package), content(made)
        if ours != its:
            raise Failed("not the same: " + " ".join(sorted(
                line for line in set(ours) ^ set(its))))


def content(package):
    """Names and modes of its files, and what it depends on."""
    return ([f"{line.split()[0]} {line.split()[5]}" for line in
             run("dpkg-deb", "-c", package).splitlines()]
            + run("dpkg-deb", "-f", package, "Version", "Depends",
                  "Recommends").splitlines())


@test
def life(args):
    """In a bare Debian: only dependencies come, and a purge leaves nothing."""
    with Root(args.dir) as root:
        there = root.put(args.package)
        root.run("apt-get", "-q", "update")
        coming = re.findall(r"^Inst (\S+)", root.run(
            "apt-get", "-s", "install", there), re.M)
        needed = [name for name in coming if name != "weft"]
        if len(needed) == len(coming) or "openvswitch-switch" not in needed:
            raise Failed(f"apt would install {coming}")
        root.run("apt-get", "-q", "-y", "install", *needed)
        before = root.files()
        # dpkg brings nothing: all that is needed must be there.
        root.run("dpkg", "-i", there)
        state = root.run("dpkg-query", "-W", "-f", "${Status}", "weft")
        if state != "install ok installed":
            raise Failed(f"after the installation weft is: {state}")
        if "\nweft:" not in (root.path / "etc/group").read_text():
            raise Failed("no group weft")
        for link in ("weft", "weft-directory"):
            if not (root.path / "etc/systemd/system/multi-user.target.wants"
                    / f"{link}.service").is_symlink():
                raise Failed(f"{link}.service is not enabled")
        said = root.run("weftd", "--version") + root.run("weft", "--version")
        if said.count(version_of_configure(args.tree)) != 2:
            raise Failed(f"they say: {said}")
        said = root.run("weft", "status", check=False)
        if "weftd" not in said or said.count("\n") != 1:
            raise Failed(f"weft status says: {said}")
        # What a host comes to have.
        (root.path / "etc/weft/peers.conf").write_text("[network blue]\n")
        (root.path / "var/lib/weft").mkdir(exist_ok=True)
        (root.path / "var/lib/weft/weft.db").write_text("")
        log = root.path / "var/log/openvswitch"
        log.mkdir(exist_ok=True)
        (log / "weftd.log").write_text("")
        # The same again is an upgrade, and keeps it.
        root.run("dpkg", "-i", there)
        root.run("dpkg", "--remove", "weft")
        # As systemctl enable weft-netns@red does.
        wants = root.path / "etc/systemd/system/multi-user.target.wants"
        (wants / "weft-netns@red.service").symlink_to(
            "/lib/systemd/system/weft-netns@.service")
        for name in ("etc/weft/peers.conf", "var/lib/weft/weft.db"):
            if not (root.path / name).exists():
                raise Failed(f"an upgrade or a removal took /{name}")
        root.run("dpkg", "--purge", "weft")
        changed = root.files() ^ before
        if "weft" in (root.path / "etc/group").read_text():
            raise Failed("a purge leaves the group weft")
        changed |= {f"/{p.relative_to(root.path)}"
                    for folder in ("var/log", "var/cache", "var/lib")
                    for p in (root.path / folder).rglob("*weft*")}
        if changed:
            raise Failed("a purge leaves, or takes: "
                         + " ".join(sorted(changed)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--tree", type=Path,
                        default=Path(__file__).resolve().parents[2])
    parser.add_argument("--dist", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    args.dir = args.dir.resolve()
    args.package = next(args.dir.glob("weft_*.deb"), None)
    if not args.package:
        print(f"package: no weft_*.deb in {args.dir}: run build.sh",
              file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(143))
    passed = failed = 0
    for function in TESTS:
        if args.names and function.__name__ not in args.names:
            continue
        try:
            said = function(args)
        except (Failed, OSError) as e:
            failed += 1
            print(f"FAILED {function.__name__}: {function.__doc__}\n{e}")
        else:
            passed += 1
            print(f"passed {function.__name__}: {function.__doc__}")
            print(textwrap.indent(said.rstrip() + "\n", "  ") if said else "",
                  end="")
        sys.stdout.flush()
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
