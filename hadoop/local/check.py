#!/usr/bin/env python3
"""Checks cluster.py on a cluster with everything in it: files, applications, faults, and that nothing is left."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import processes
from processes import is_alive

HERE = pathlib.Path(__file__).resolve().parent
PATIENCE = 60
BEGIN = time.monotonic()


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def say(text):
    print(f"{time.monotonic() - BEGIN:5.1f} s  {text}", flush=True)


def check(holds, text):
    if not holds:
        raise AssertionError(text)
    say(text)


def call(method, url, body=None):
    """Status and body of an answer; redirects are not followed."""
    request = urllib.request.Request(url, method=method, data=body)
    request.add_header("Content-Type", "application/json" if "/ws/" in url else "application/octet-stream")
    try:
        with urllib.request.build_opener(NoRedirect).open(request, timeout=30) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def check_peer():
    peer = subprocess.Popen(
        [HERE / "cluster.py", "peer", "auth,auth-conf"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        services = json.loads(peer.stdout.readline())
        check(set(services) == {"client", "master", "containers"}, "the conformance peer serves")
        peer.stdin.close()
        check(peer.wait(PATIENCE) == 0, "and ends with its input")
    finally:
        peer.kill()


class Check:
    def __init__(self, folder):
        self.folder = folder

    def cluster(self, command, *arguments):
        return subprocess.run(
            [HERE / "cluster.py", command, self.folder, *arguments], check=True, capture_output=True, text=True
        ).stdout

    def status(self):
        return json.loads(self.cluster("status"))

    def until(self, text, probe):
        """Waits for a true answer of `probe` and returns it."""
        end = time.monotonic() + PATIENCE
        while not (answer := probe()):
            if time.monotonic() > end:
                raise AssertionError(f"{text}: not in {PATIENCE} s")
            time.sleep(0.1)
        say(text)
        return answer

    def rm(self, method, path, body=None):
        url = f"http://{self.address['rm_web']}/ws/v1/cluster/{path}?user.name=alice"
        status, answer, _ = call(method, url, None if body is None else json.dumps(body).encode())
        if status >= 300:
            raise AssertionError(f"{method} {url}: {status} {answer.decode(errors='replace')}")
        return json.loads(answer) if answer else {}

    def metrics(self):
        return self.rm("GET", "metrics")["clusterMetrics"]

    def submit(self, command, memory):
        """Submits an application whose master is only this command: it never registers."""
        app = self.rm("POST", "apps/new-application")["application-id"]
        spec = {
            "application-id": app,
            "application-name": "check",
            "max-app-attempts": 1,
            "am-container-spec": {"commands": {"command": command}},
            "resource": {"memory": memory, "vCores": 1},
        }
        self.rm("POST", "apps", spec)
        return app

    def app(self, app):
        return self.rm("GET", f"apps/{app}")["app"]

    def run(self, owner):
        # With its usual expiry a master that never registers would not live for as long as the faults take.
        patient = [
            "yarn.am.liveness-monitor.expiry-interval-ms=120000",
            "yarn.resourcemanager.am-rm-tokens.master-key-rolling-interval-secs=400",
        ]
        self.cluster(
            "start", "--hdfs", "--owner", str(owner.pid), *(word for setting in patient for word in ("-D", setting))
        )
        status = self.status()
        self.address = status["addresses"]
        self.pids = [pid for pid in status["pids"].values()]
        check(all(self.pids) and status["active_nodes"] == 2, "started: a ResourceManager, two NodeManagers, HDFS")
        refused = subprocess.run([HERE / "cluster.py", "start", self.folder], capture_output=True, text=True)
        check(
            refused.returncode == 1 and "stop it first" in refused.stderr,
            "a second start in the same folder is refused",
        )
        self.files()
        self.applications()
        self.faults(owner)

    def files(self):
        url = f"http://{self.address['nn_web']}/webhdfs/v1/user/alice/file"
        content = os.urandom(100_000)
        _, _, headers = call("PUT", f"{url}?op=CREATE&user.name=alice&permission=600")
        status, body, _ = call("PUT", headers["Location"], content)
        check(status == 201, f"a file is written to HDFS {body.decode()}")
        _, _, headers = call("GET", f"{url}?op=OPEN&user.name=alice")
        check(call("GET", headers["Location"])[1] == content, "and read back")
        check(call("GET", f"{url}?op=OPEN&user.name=bob")[0] == 403, "but not by another user")

    def applications(self):
        info = self.rm("GET", "scheduler")["scheduler"]["schedulerInfo"]
        queues = sorted(queue["queueName"] for queue in info["queues"]["queue"])
        check(queues == ["default", "small"], "the queues are there")
        app = self.submit("{ head -c 300m /dev/zero; sleep 60; } | tail -n 1", 64)
        self.until(
            "a container that takes too much memory ends its application", lambda: self.app(app)["state"] == "FAILED"
        )
        diagnostics = self.app(app)["diagnostics"]
        check("-104" in diagnostics and "PHYSICAL" in diagnostics, "and the diagnostics say why")

    def sleepers(self):
        """Processes of containers that have come to their command."""
        pids = self.status()["containers"]
        return [pid for pid in pids if processes.read(pid, "cmdline") == b"sleep\x00600\x00"]

    def faults(self, owner):
        app = self.submit("exec sleep 600", 128)
        container = self.until("a container runs", self.sleepers)
        node = self.app(app)["amHostHttpAddress"]
        here, other = (1, 2) if node.endswith(f":{self.address['nm1_web'].split(':')[1]}") else (2, 1)

        self.cluster("kill-nm", str(other))
        self.until("a killed NodeManager is found lost", lambda: self.metrics()["lostNodes"] == 1)
        self.cluster("start-nm", str(other))
        self.until("and comes back", lambda: self.metrics()["activeNodes"] == 2)

        self.cluster("pause-rm")
        check(self.status()["active_nodes"] is None, "a paused ResourceManager does not answer")
        self.cluster("resume-rm")
        self.until("one that goes on does", lambda: self.status()["active_nodes"] == 2)

        self.cluster("kill-rm")
        check(all(map(is_alive, container)), "containers live on when the ResourceManager is killed")
        self.cluster("start-rm")
        self.until("its successor knows the nodes", lambda: self.metrics()["activeNodes"] == 2)
        check(app in [a["id"] for a in self.rm("GET", "apps")["apps"]["app"]], "and the application")
        check(self.sleepers() == container, "which kept its container")

        self.rm("PUT", f"apps/{app}/state", {"state": "KILLED"})
        self.until("an application is killed", lambda: self.app(app)["state"] == "KILLED")
        self.until("and its container", lambda: not self.status()["containers"])

        self.submit("exec sleep 600", 128)
        orphans = self.until("another container runs", self.sleepers)
        for number in ("1", "2"):
            self.pids.append(self.status()["pids"][f"nm{number}"])
            self.cluster("kill-nm", number)
        check(all(map(is_alive, orphans)), "containers live on when their NodeManager is killed")

        left = [*self.pids, *filter(None, self.status()["pids"].values()), *orphans]
        owner.kill()
        owner.wait()
        self.until("the end of its owner ends the cluster", lambda: not any(map(is_alive, left)))
        self.cluster("stop")
        status = self.status()
        check(not any(status["pids"].values()) and not status["containers"], "nothing is left")


def main():
    subprocess.run([HERE / "cluster.py", "fetch"], check=True)
    say("what it needs is there")
    check_peer()
    folder = tempfile.mkdtemp(prefix="hadoop-check-")
    # Bounds the life of the cluster, should this process be killed.
    owner = subprocess.Popen(["sleep", "300"])
    try:
        Check(folder).run(owner)
    except (AssertionError, OSError, subprocess.CalledProcessError) as error:
        subprocess.run([HERE / "cluster.py", "stop", folder])
        sys.exit(f"check: {error}\n{getattr(error, 'stderr', None) or ''}logs are in {folder}")
    finally:
        owner.kill()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
