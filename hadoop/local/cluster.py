#!/usr/bin/env python3
"""A real Hadoop on this machine: a ResourceManager, NodeManagers and, if asked for, HDFS, each a process of its own.

Everything listens on loopback, on ports that were free at the start, and keeps what it writes in the folder of the
run. See README.md beside this file.
"""

import argparse
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import jars
import processes
from jars import CLASSES, LIB, Failure
from processes import wait_for

HERE = pathlib.Path(__file__).resolve().parent
HADOOP = "org.apache.hadoop."
MAIN = {
    "rm": HADOOP + "yarn.server.resourcemanager.ResourceManager",
    "nm": HADOOP + "yarn.server.nodemanager.NodeManager",
    "nn": HADOOP + "hdfs.server.namenode.NameNode",
    "dn": HADOOP + "hdfs.server.datanode.DataNode",
}
# Megabytes of heap.
HEAP = {"rm": 320, "nm": 224, "nn": 224, "dn": 192}
PORTS = {
    "rm": ["rm", "rm_scheduler", "rm_tracker", "rm_admin", "rm_web"],
    "nm": ["", "_localizer", "_web"],
    "nn": ["nn", "nn_web"],
    "dn": ["dn", "dn_web", "dn_ipc"],
}

# What the start scripts of Hadoop 3.5 open for Guice, protobuf and Kerberos.
OPENED = [
    "java.io", "java.lang", "java.lang.reflect", "java.math", "java.net", "java.text", "java.util",
    "java.util.concurrent", "java.util.zip", "sun.security.util", "sun.security.x509",
]  # fmt: skip


def free_ports(addresses):
    """A free port for each address, below those that the kernel gives to outgoing connections: a daemon that was killed
    must find its port free when it starts again."""
    low = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    bottom = 10000 if low > 11000 else 1024
    held, ports = [], []
    try:
        while len(ports) < len(addresses):
            sock = socket.socket()
            held.append(sock)
            port = random.randrange(bottom, low if low > bottom + 1000 else 65536)
            try:
                sock.bind((addresses[len(ports)], port))
            except OSError:
                continue
            ports.append(port)
    finally:
        for sock in held:
            sock.close()
    return ports


def get(url, timeout=2):
    """The answer of a web service as JSON, nothing if there is none."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return None


class Cluster:
    """The daemons of one run, by its folder."""

    def __init__(self, folder, trains=None):
        self.trains = trains  # A folder for archives of classes, or none.
        self.folder = pathlib.Path(folder).resolve()
        self.conf = self.folder / "conf"
        self.file = self.folder / "cluster.json"
        if self.file.exists():
            self.about = json.loads(self.file.read_text())
            self.address = self.about["addresses"]

    @staticmethod
    def of(folder):
        cluster = Cluster(folder)
        if not cluster.file.exists():
            raise Failure(f"{cluster.folder} is no folder of a run: there is no cluster.json")
        return cluster

    def names(self):
        """The daemons of this run."""
        return ["rm", *self.nms(), *(["nn", "dn"] if self.about["hdfs"] else [])]

    def nms(self):
        return [f"nm{number}" for number in range(1, self.about["nms"] + 1)]

    # --- processes

    def mark(self, name):
        """An argument that tells a daemon of this run from every other process."""
        return f"-Dwarcdl.hadoop={self.folder}/{name}"

    def pid(self, name):
        """Process of a daemon, or nothing if it does not run; a process that only has its number does not count."""
        try:
            pid = int((self.folder / name / "pid").read_text())
        except (OSError, ValueError):
            return None
        mine = self.mark(name).encode() in processes.read(pid, "cmdline").split(b"\0")
        return pid if mine and processes.is_alive(pid) else None

    def java(self, name, arguments):
        kind = name.rstrip("0123456789")
        flags = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
        flags += [f"-Xmx{HEAP[kind]}m", "-Xss512k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        # Of archives that are missing or made by another JVM nothing is said, and no use made.
        flags += ["-Xlog:cds=off", "-Xlog:cds+dynamic=off"]
        if self.trains and "-format" not in arguments:
            flags.append(f"-XX:ArchiveClassesAtExit={self.trains}/{kind}.jsa")
        else:
            flags.append(f"-XX:SharedArchiveFile={CLASSES}/{kind}.jsa")
        flags += ["-XX:-UsePerfData", "-Djava.net.preferIPv4Stack=true", self.mark(name)]
        flags += [f"-Dyarn.log.dir={self.folder / name}", f"-Dhadoop.log.dir={self.folder / name}"]
        flags += [f"-Dlog4j.configuration=file:{self.conf}/log4j.properties", "-cp", f"{LIB}/*:{self.conf}"]
        return ["java", *flags, MAIN[kind], *arguments]

    def environment(self):
        """Without what the user has set for Hadoop: containers must not find a cluster by luck, as on real nodes."""
        return {key: value for key, value in os.environ.items() if not key.startswith(("HADOOP_", "YARN_", "HDFS_"))}

    def spawn(self, name, arguments=()):
        """Starts a daemon and leaves it in a session of its own."""
        if self.pid(name):
            raise Failure(f"{name} runs already")
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        with open(folder / "log", "ab") as log:
            process = subprocess.Popen(
                self.java(name, arguments), cwd=folder, env=self.environment(), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.note(name, process)

    def note(self, name, process):
        """Notes the number of a process that was started, once it can be told by its mark: for a moment it has no arguments."""
        (self.folder / name / "pid").write_text(f"{process.pid}\n")
        while self.pid(name) is None and process.poll() is None:
            time.sleep(0.005)

    def kill(self, name):
        self.signal(name, signal.SIGKILL)
        wait_for(f"killing {name}", lambda: self.pid(name) is None, self.folder / name / "log")

    def signal(self, name, number):
        pid = self.pid(name)
        if pid is None:
            raise Failure(f"{name} does not run")
        os.kill(pid, number)

    def containers(self):
        """Processes of containers."""
        return processes.of_containers(self.folder, [self.pid(name) for name in self.nms()])

    # --- starting and stopping

    def start(self, nms, hdfs, settings, owner):
        if self.file.exists():
            if any(self.pid(name) for name in self.names()) or self.containers():
                raise Failure(f"the cluster in {self.folder} runs; stop it first")
            shutil.rmtree(self.folder)
        elif self.folder.exists() and any(self.folder.iterdir()):
            raise Failure(f"{self.folder} is not empty, and no run of this program left it so")
        if not re.fullmatch(r"[\w./+-]+", str(self.folder)):
            raise Failure(f"{self.folder}: Hadoop's configuration bears only letters, digits and ./_+- in a path")
        if owner and not processes.is_alive(owner):
            raise Failure(f"there is no process {owner} to own the cluster")
        if not self.trains:
            fetch()
        self.configure(nms, hdfs, settings)
        try:
            if owner:
                self.watch(owner)
            self.start_all()
        except BaseException:
            self.stop()
            raise

    def configure(self, nms, hdfs, settings):
        """Chooses ports and fills in the templates."""
        host = {}
        for port in PORTS["rm"] + PORTS["nn"] + PORTS["dn"]:
            host[port] = "127.0.0.1"
        # Hosts of their own, so that one can be avoided.
        for number in range(1, nms + 1):
            for port in PORTS["nm"]:
                host[f"nm{number}{port}"] = f"127.0.0.{number}"
        ports = free_ports(list(host.values()))
        self.address = {name: f"{host[name]}:{port}" for name, port in zip(host, ports)}
        self.about = {"nms": nms, "hdfs": hdfs, "conf": str(self.conf), "addresses": self.address}
        values = {name.upper(): address for name, address in self.address.items()}
        values["DIR"] = str(self.folder)
        values["DEFAULT_FS"] = f"hdfs://{self.address['nn']}" if hdfs else "file:///"
        self.conf.mkdir(parents=True)
        for template in sorted((HERE / "conf").glob("*.in")):
            text = re.sub(r"@([A-Z_]+)@", lambda match: values[match[1]], template.read_text())
            if template.stem == "yarn-site.xml":
                # The last of several values holds.
                added = "".join(f"  <property><name>{k}</name><value>{v}</value></property>\n" for k, v in settings)
                text = text.replace("</configuration>", f"{added}</configuration>")
            (self.conf / template.stem).write_text(text)
        # The pages of HDFS are not in its jar; its web services start only if their folders are on the class path.
        for name in ("hdfs", "datanode", "static"):
            (self.conf / "webapps" / name).mkdir(parents=True)
        self.file.write_text(json.dumps(self.about, indent=2) + "\n")

    def start_all(self):
        self.spawn("rm")
        if self.about["hdfs"]:
            self.format()
            self.spawn("nn")
            self.spawn("dn")
        for name in self.nms():
            self.spawn_nm(name)
        self.await_rm()
        self.await_nodes(self.about["nms"])
        if self.about["hdfs"]:
            self.await_hdfs()

    def format(self):
        folder = self.folder / "nn"
        folder.mkdir()
        with open(folder / "log", "ab") as log:
            command = self.java("nn", ["-format", "-nonInteractive"])
            done = subprocess.run(
                command, cwd=folder, env=self.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        if done.returncode != 0:
            wait_for("formatting HDFS", lambda: False, folder / "log", lambda: False)

    def spawn_nm(self, name):
        folder = self.folder / name
        settings = {
            "hostname": self.address[name].split(":")[0],
            "address": self.address[name],
            "localizer.address": self.address[f"{name}_localizer"],
            "webapp.address": self.address[f"{name}_web"],
            "local-dirs": folder / "local",
            "log-dirs": folder / "logs",
            "recovery.dir": folder / "recovery",
        }
        self.spawn(
            name, [word for key, value in settings.items() for word in ("-D", f"yarn.nodemanager.{key}={value}")]
        )

    def await_daemon(self, what, name, ready):
        wait_for(what, ready, self.folder / name / "log", lambda: self.pid(name) is not None)

    def rm(self, path):
        return get(f"http://{self.address['rm_web']}/ws/v1/cluster/{path}")

    def await_rm(self):
        self.await_daemon("the ResourceManager", "rm", lambda: self.rm("metrics") is not None)

    def active(self):
        """Number of nodes that the ResourceManager counts on; nothing if it does not answer."""
        metrics = self.rm("metrics")
        return metrics["clusterMetrics"]["activeNodes"] if metrics else None

    def await_nodes(self, count):
        for name in self.nms():
            self.await_nm(name)
        self.await_daemon(f"{count} active nodes", "rm", lambda: self.active() == count)

    def await_nm(self, name):
        """Waits until a NodeManager answers, and until the ResourceManager knows of it if one runs."""
        self.await_daemon(name, name, lambda: get(f"http://{self.address[f'{name}_web']}/ws/v1/node/info") is not None)
        port = self.address[name].split(":")[1]

        def is_known():
            nodes = self.rm("nodes")
            running = [
                node["id"] for node in ((nodes or {}).get("nodes") or {}).get("node", []) if node["state"] == "RUNNING"
            ]
            return self.pid("rm") is None or any(node.endswith(f":{port}") for node in running)

        self.await_daemon(f"{name} at the ResourceManager", name, is_known)

    def await_hdfs(self):
        query = f"http://{self.address['nn_web']}/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState"

        def is_ready():
            beans = (get(query) or {}).get("beans")
            return bool(beans) and beans[0]["NumLiveDataNodes"] == 1 and beans[0]["FSState"] == "Operational"

        self.await_daemon("the NameNode", "nn", lambda: get(query) is not None)
        self.await_daemon("HDFS with its DataNode", "dn", is_ready)
        # Homes and temporary files of any user, as a cluster's administrator would make them.
        user = pathlib.Path(f"/proc/{self.pid('nn')}").owner()
        for path in ("user", "tmp"):
            url = f"http://{self.address['nn_web']}/webhdfs/v1/{path}?op=MKDIRS&permission=1777&user.name={user}"
            urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=30).close()

    def watch(self, owner):
        """Leaves a process behind that stops the run when its owner is gone."""
        folder = self.folder / "watch"
        folder.mkdir()
        with open(folder / "log", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, __file__, "watch", str(self.folder), str(owner), self.mark("watch")], cwd="/",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.note("watch", process)

    def stop(self):
        """Kills what is left of the run. Nothing of it is used again, so that nothing has to be closed in order."""
        for name in ["watch", *self.names()]:
            pid = self.pid(name)
            if pid and pid != os.getpid():
                self.kill(name)
        # Twice nothing: what a NodeManager was about to start may have become a container in between.
        empty, end = 0, time.monotonic() + processes.PATIENCE
        while empty < 2:
            found = self.containers()
            empty = 0 if found else empty + 1
            for pid in found:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if time.monotonic() > end:
                raise Failure(f"containers do not end: {found}")
            time.sleep(0.05)

    def status(self):
        pids = {name: self.pid(name) for name in self.names()}
        return {**self.about, "pids": pids, "active_nodes": self.active(), "containers": self.containers()}


def fetch():
    """Fetches the jars, and stores the classes that daemons load as the JVM likes them best: they start in half the
    time. For that each has to run once, and to end by itself."""
    jars.fetch()
    with jars.locked(), tempfile.TemporaryDirectory(prefix="hadoop-classes-") as folder:
        if CLASSES.exists():
            return
        made = CLASSES.with_suffix(".new")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        cluster = Cluster(folder, trains=made)
        cluster.start(nms=1, hdfs=True, settings=[], owner=None)
        try:
            for name in cluster.names():
                cluster.signal(name, signal.SIGTERM)
            for name in cluster.names():
                log = cluster.folder / name / "log"
                wait_for(f"the end of {name}", lambda name=name: cluster.pid(name) is None, log)
        finally:
            cluster.stop()
        made.rename(CLASSES)


def watch(folder, owner):
    processes.await_end(owner)
    Cluster.of(folder).stop()


def setting(text):
    key, equals, value = text.partition("=")
    if not equals or re.search(r"[<&]", text):
        raise argparse.ArgumentTypeError(f"{text} is not KEY=VALUE")
    return key, value


def parse():
    parser = argparse.ArgumentParser(description="A real Hadoop on this machine, for development and tests.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("fetch", help="fetch Hadoop's jars with Maven, if they are not here yet")
    speaker = commands.add_parser("peer", help="run the conformance peer; see peer/Peer.java")
    speaker.add_argument(
        "arguments", nargs="+", metavar="ARGUMENT", help="protections, and a principal with its keytab"
    )

    def command(name, text):
        parser = commands.add_parser(name, help=text)
        parser.add_argument("dir", metavar="DIR", help="folder of the run")
        return parser

    start = command("start", "start a cluster, return when it is ready; DIR/conf is its HADOOP_CONF_DIR")
    start.add_argument("--nms", type=int, default=2, metavar="K", help="number of NodeManagers; 2 if not given")
    start.add_argument("--hdfs", action="store_true", help="with a NameNode and a DataNode")
    start.add_argument(
        "-D", type=setting, action="append", default=[], metavar="KEY=VALUE", help="add to yarn-site.xml"
    )
    start.add_argument("--owner", type=int, metavar="PID", help="stop when this process is gone")
    command("status", "say as JSON what runs, and where")
    command("stop", "kill everything, containers too; the logs stay")
    for name, text in [
        ("kill-nm", "kill NodeManager I; its containers live on"),
        ("start-nm", "start NodeManager I again"),
    ]:
        command(name, text).add_argument("number", type=int, metavar="I")
    command("kill-rm", "kill the ResourceManager")
    command("start-rm", "start it again, on the state that it has stored")
    command("pause-rm", "suspend the ResourceManager: connections stay, nothing answers")
    command("resume-rm", "let it go on")
    watcher = commands.add_parser("watch")
    watcher.add_argument("dir")
    watcher.add_argument("owner", type=int)
    watcher.add_argument("-D", help="the mark of this process")
    return parser.parse_args()


def run(arguments):
    command = arguments.command
    if command == "fetch":
        return fetch()
    if command == "peer":
        return jars.peer(arguments.arguments)
    if command == "start":
        return Cluster(arguments.dir).start(arguments.nms, arguments.hdfs, arguments.D, arguments.owner)
    if command == "watch":
        return watch(arguments.dir, arguments.owner)
    cluster = Cluster.of(arguments.dir)
    if command == "status":
        return print(json.dumps(cluster.status(), indent=2))
    if command == "stop":
        return cluster.stop()
    verb, _, name = command.partition("-")
    if name == "nm":
        name += str(arguments.number)
        if name not in cluster.nms():
            raise Failure(f"there is no {name}")
    if verb == "kill":
        return cluster.kill(name)
    if verb in ("pause", "resume"):
        return cluster.signal(name, signal.SIGSTOP if verb == "pause" else signal.SIGCONT)
    if name == "rm":
        cluster.spawn("rm")
        return cluster.await_rm()
    cluster.spawn_nm(name)
    cluster.await_nm(name)


def main():
    # What ends a start takes back what has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("cluster: terminated"))
    try:
        run(parse())
    except Failure as failure:
        sys.exit(f"cluster: {failure}")
    except KeyboardInterrupt:
        sys.exit("cluster: interrupted")


if __name__ == "__main__":
    main()
