"""Hadoop's jars, and what is compiled against them."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or HERE.parent.parent / "target").resolve() / "hadoop-local"
LIB = TARGET / "lib"
CLASSES = TARGET / "classes"
PEER = TARGET / "peer"


class Failure(Exception):
    """What is told to the user, without a trace."""


@contextlib.contextmanager
def locked():
    """Alone in the folder of the jars, among all processes."""
    TARGET.mkdir(parents=True, exist_ok=True)
    with open(TARGET / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fetch():
    """Puts Hadoop's jars into LIB, unless they lie there already."""
    pom, stamp = HERE / "pom.xml", LIB / "pom.sha256"
    wanted = hashlib.sha256(pom.read_bytes()).hexdigest()
    with locked():
        if stamp.exists() and stamp.read_text() == wanted:
            return
        for program in ("java", "javac", "mvn"):
            if not shutil.which(program):
                raise Failure(f"{program} is missing; on Debian: apt-get install openjdk-17-jdk-headless maven")
        shutil.rmtree(LIB, ignore_errors=True)
        shutil.rmtree(CLASSES, ignore_errors=True)
        command = ["mvn", "--batch-mode", "--quiet", "--no-transfer-progress", "--file", str(pom)]
        command += ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={LIB}"]
        # Maven keeps what came, and a network may fail for a moment.
        for _ in range(3):
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode == 0:
                break
        if done.returncode != 0:
            raise Failure(f"Maven failed:\n{done.stdout.decode(errors='replace')}")
        stamp.write_text(wanted)


def peer(arguments):
    """Becomes the conformance peer, which is compiled first unless that is done already."""
    fetch()
    source, stamp = HERE / "peer" / "Peer.java", PEER / "source.sha256"
    wanted = hashlib.sha256(source.read_bytes()).hexdigest()
    with open(TARGET / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            PEER.mkdir(exist_ok=True)
            command = ["javac", "-nowarn", "-proc:none", "-d", str(PEER), "-cp", f"{LIB}/*", str(source)]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode != 0:
                raise Failure(f"{source} does not compile:\n{done.stdout.decode(errors='replace')}")
            stamp.write_text(wanted)
    flags = [
        "-Xmx128m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Dwarcdl.level=WARN",
        f"-Dlog4j.configuration=file:{HERE}/conf/log4j.properties.in",
    ]
    if "KRB5_CONFIG" in os.environ:
        flags.append(f"-Djava.security.krb5.conf={os.environ['KRB5_CONFIG']}")
    os.execvp("java", ["java", *flags, "-cp", f"{PEER}:{LIB}/*", "Peer", *arguments])
