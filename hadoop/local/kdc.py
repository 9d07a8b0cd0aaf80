#!/usr/bin/env python3
"""A Kerberos realm on loopback, for as long as standard input is open.

    kdc.py DIR

Keeps everything in DIR, which must not exist or be empty. The first line of standard output is JSON: the realm, its
krb5.conf (for KRB5_CONFIG), and a keytab for each principal: a service, yarn/localhost, and a user, alice.
Needs no root; of Debian, the packages krb5-kdc and krb5-user.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from cluster import free_ports
from jars import Failure

REALM = "WARCDL.TEST"
PRINCIPALS = ["yarn/localhost", "alice"]

CLIENT = """[libdefaults]
    default_realm = {realm}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    udp_preference_limit = 1
[realms]
    {realm} = {{
        kdc = 127.0.0.1:{port}
    }}
[domain_realm]
    localhost = {realm}
"""

SERVER = """[kdcdefaults]
    kdc_listen = 127.0.0.1:{port}
    kdc_tcp_listen = 127.0.0.1:{port}
[realms]
    {realm} = {{
        database_name = {folder}/principal
        key_stash_file = {folder}/stash
        acl_file = {folder}/acl
        max_life = 1d
        max_renewable_life = 7d
    }}
[logging]
    kdc = FILE:{folder}/log
"""


def find(program):
    """Path of a program; those of administrators are not in everybody's PATH."""
    found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    if not found:
        raise Failure(f"{program} is missing; on Debian: apt-get install krb5-kdc krb5-admin-server krb5-user")
    return found


def set_up(folder, environment):
    """Makes the database of the realm and a keytab for each principal; returns the keytabs."""

    def run(*command):
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if done.returncode != 0:
            raise Failure(f"{' '.join(command)}: {done.stdout.decode(errors='replace')}")

    run(find("kdb5_util"), "create", "-r", REALM, "-s", "-P", "master")
    keytabs = {principal: str(folder / f"{principal.split('/')[0]}.keytab") for principal in PRINCIPALS}
    for principal, keytab in keytabs.items():
        run(find("kadmin.local"), "-r", REALM, "-q", f"addprinc -randkey {principal}")
        run(find("kadmin.local"), "-r", REALM, "-q", f"ktadd -k {keytab} {principal}")
        if not os.path.exists(keytab):
            raise Failure(f"kadmin.local made no {keytab}")
    return keytabs


def serve(folder):
    folder = pathlib.Path(folder).resolve()
    if folder.exists() and any(folder.iterdir()):
        raise Failure(f"{folder} is not empty")
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(["127.0.0.1"])
    for name, text in (("krb5.conf", CLIENT), ("kdc.conf", SERVER)):
        (folder / name).write_text(text.format(realm=REALM, port=port, folder=folder))
    environment = {**os.environ, "KRB5_CONFIG": f"{folder}/krb5.conf", "KRB5_KDC_PROFILE": f"{folder}/kdc.conf"}
    keytabs = set_up(folder, environment)
    command = [find("krb5kdc"), "-n", "-r", REALM, "-P", f"{folder}/pid"]
    kdc = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        # It writes its number when it listens.
        while not (folder / "pid").exists():
            if kdc.poll() is not None:
                raise Failure(f"krb5kdc has ended, see {folder}/log")
            time.sleep(0.02)
        about = {"realm": REALM, "krb5_conf": f"{folder}/krb5.conf", "keytabs": keytabs}
        print(json.dumps(about), flush=True)
        sys.stdin.read()
    finally:
        kdc.kill()
        kdc.wait()


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("kdc: terminated"))
    try:
        serve(sys.argv[1])
    except Failure as failure:
        sys.exit(f"kdc: {failure}")
    except KeyboardInterrupt:
        sys.exit("kdc: interrupted")


if __name__ == "__main__":
    main()
