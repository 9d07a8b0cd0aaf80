"""What /proc tells of processes."""

import os
import pathlib
import re
import time

from jars import Failure

# Seconds in which a daemon must answer; twenty times what a quiet machine takes.
PATIENCE = 120


def ids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def read(pid, name):
    """A file of a process; empty if there is no such process, or it is not ours."""
    try:
        return pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def stat(pid):
    """Fields of /proc/PID/stat from the state on: state, parent, group, session, ... None of no process."""
    return read(pid, "stat").rpartition(b")")[2].split()


def is_alive(pid):
    """One that waits for its parent to take note of its end is not."""
    return stat(pid)[:1] not in ([], [b"Z"])


def await_end(pid):
    """Waits for the end of a process, which may leave its number to another one."""
    begun = stat(pid)[19:20]
    while is_alive(pid) and stat(pid)[19:20] == begun:
        time.sleep(0.3)


def of_containers(folder, nodes):
    """Processes of containers: the scripts that NodeManagers of the run in `folder` start, and all in the sessions that
    these begin. `nodes` are the NodeManagers that run."""
    local = re.compile(re.escape(os.fsencode(folder)) + rb"/nm\d+/local/")
    session = {pid: int(fields[3]) for pid in ids() if len(fields := stat(pid)) > 3 and fields[0] != b"Z"}
    found, begun = set(), set()
    for pid in session:
        arguments = read(pid, "cmdline").split(b"\0")
        if arguments[0].endswith(b"bash") and any(local.match(word) for word in arguments[1:3]):
            found.add(pid)
        if re.search(rb"(?:^|\0)LOCAL_DIRS=" + local.pattern, read(pid, "environ")):
            begun.add(session[pid])
    # A NodeManager's own session holds its first script beside itself.
    begun -= {os.getsid(0), *(session.get(pid) for pid in nodes)}
    return sorted(found | {pid for pid in session if session[pid] in begun})


def wait_for(what, ready, log, alive=lambda: True):
    """Waits until `ready`; fails with the end of a log if that takes too long, or nobody is alive to become ready."""
    end = time.monotonic() + PATIENCE
    while not ready():
        died = not alive()
        if died or time.monotonic() > end:
            lines = log.read_text(errors="replace").splitlines() if log.exists() else []
            why = "it has ended" if died else f"nothing after {PATIENCE} s"
            shown = (line[:300] for line in lines[-40:])
            raise Failure("\n".join([f"{what}: {why}; the end of {log}:", *shown]))
        time.sleep(0.1)
