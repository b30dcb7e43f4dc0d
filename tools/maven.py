"""Jars from Maven for what the test suites run in Java. A directory with a `pom.xml` says which, and
its `checksums` (as sha256sum prints them) what their bytes are; both are read by name and by version,
so nothing that a repository may serve one day comes in unseen."""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))


def fail(message):
    print(f"{pathlib.Path(sys.argv[0]).name}: {message}", file=sys.stderr)
    sys.exit(1)


def tool(name):
    path = shutil.which(name)
    if path is None:
        fail(f"`{name}` is not installed; this needs java (17 or newer) and mvn")
    return path


def fetch(project):
    """The directory with the jars; copied afresh when the pom or a checksum has changed."""
    pom, checksums = project / "pom.xml", project / "checksums"
    version = hashlib.sha256(pom.read_bytes() + checksums.read_bytes()).hexdigest()[:12]
    home = TARGET / project.name
    jars = home / f"jars-{version}"
    home.mkdir(parents=True, exist_ok=True)
    with open(home / "lock", "w") as lock:  # two suites may start at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if jars.is_dir():
            return jars
        mvn, partial = tool("mvn"), home / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        done = subprocess.run(
            [mvn, "-q", "-B", "-f", pom, COPY, f"-DoutputDirectory={partial}",
             "-DincludeScope=runtime"],
            stdin=subprocess.DEVNULL, stdout=sys.stderr)
        if done.returncode != 0:
            fail(f"Maven could not fetch the jars of {project.name} (see above)")
        check(partial, checksums)
        partial.rename(jars)
    return jars


def check(jars, checksums):
    """Exactly these files, and exactly these bytes."""
    pinned = dict(reversed(line.split()) for line in checksums.read_text().splitlines())
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in jars.iterdir()}
    wrong = sorted(name for name in pinned.keys() | found.keys()
                   if pinned.get(name) != found.get(name))
    if wrong:
        fail(f"{', '.join(wrong)}: not what {checksums} says")
