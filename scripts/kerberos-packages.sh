#!/usr/bin/env bash
# What `make test-kerberos` needs beside Rust: of it, what a Debian lacks is installed.
set -euo pipefail

PATH=$PATH:/usr/sbin
missing=()
command -v krb5kdc >/dev/null || missing+=(krb5-kdc)
command -v kadmin.local >/dev/null || missing+=(krb5-admin-server)
command -v kinit >/dev/null || missing+=(krb5-user)
command -v krb5-config >/dev/null || missing+=(libkrb5-dev)
command -v pkg-config >/dev/null || missing+=(pkg-config)
compgen -G '/usr/lib/llvm-*/lib/libclang.so' >/dev/null || missing+=(libclang-dev)
command -v javac >/dev/null || missing+=(openjdk-17-jdk-headless)
command -v mvn >/dev/null || missing+=(maven)
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "$0: install what Debian calls ${missing[*]}" >&2
    exit 1
fi
sudo=()
[ "$(id -u)" -eq 0 ] || sudo=(sudo)
apt=(apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
"${sudo[@]}" "${apt[@]}" update -qq
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -y -qq --no-install-recommends "${missing[@]}"
