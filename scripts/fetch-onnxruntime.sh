#!/usr/bin/env bash
# Puts the shared library of ONNX Runtime into runtime/, out of the wheel that its makers publish for Python.
#
#   scripts/fetch-onnxruntime.sh           for the CPU
#   scripts/fetch-onnxruntime.sh --cuda    for NVIDIA GPUs too (CUDA and cuDNN are the machine's own affair)
#
# Wheel and libraries are pinned by SHA-256. Where the right libraries lie already nothing is fetched; a library for
# GPUs serves the CPU as well and is kept.
set -euo pipefail

version=1.31.1
library=libonnxruntime.so.$version
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=runtime

fail() {
    echo "fetch-onnxruntime: $*" >&2
    exit 1
}

# The files of a variant, each "SHA-256  name", as sha256sum checks them.
files() {
    case $1 in
    cpu-x86_64)
        echo "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3  $library"
        ;;
    cpu-aarch64)
        echo "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467  $library"
        ;;
    cuda-x86_64)
        echo "5104254339ecadae808da771bd0b63b240f0dbd466514234905e54372435c303  $library"
        echo "8387867e857499e045caff5d13ac6a5de29571c801562fa2dde0e45f1f31de52  libonnxruntime_providers_cuda.so"
        echo "086ec1d5388f64153d9c63470d126693db9a182c8ce236d3a1119068471b8a0d  libonnxruntime_providers_shared.so"
        ;;
    cuda-aarch64)
        echo "25430c15445a74ea480116a0da41533d83e59bceb1a18004c97e4873334afc90  $library"
        echo "bf506a34897f3bdbd9c162f4fd697d0073d2ed1e2a32b3d654b34f2e3bda04c2  libonnxruntime_providers_cuda.so"
        echo "1fc9a38c51a15164ae7d126f4e89447e718e47bd0a934eaa1a86bb60a6ec4955  libonnxruntime_providers_shared.so"
        ;;
    esac
}

# The wheel of a variant: requirement, platform, SHA-256.
wheel() {
    case $1 in
    cpu-x86_64)
        echo "onnxruntime manylinux_2_28_x86_64 1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536"
        ;;
    cpu-aarch64)
        echo "onnxruntime manylinux_2_28_aarch64 0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc"
        ;;
    cuda-x86_64)
        echo "onnxruntime-gpu manylinux_2_28_x86_64 05d548956197b9d01f59b625de740e0d6be3593f874e241a12dc0362650ecdf7"
        ;;
    cuda-aarch64)
        echo "onnxruntime-gpu manylinux_2_34_aarch64 a0f1725c5a6d1ef82d63498b5ebc25e2c90c9560e91dc76db9be4a49162d4d33"
        ;;
    esac
}

# Whether every file of a variant lies in a folder, unchanged.
present() {
    (cd "$2" 2>/dev/null && files "$1" | sha256sum --check --status 2>/dev/null)
}

device=cpu
case ${1-} in
"") ;;
--cuda) device=cuda ;;
-h | --help)
    sed -n '2,8s/^# \{0,1\}//p' scripts/fetch-onnxruntime.sh
    exit
    ;;
*) fail "unknown option $1; usage: scripts/fetch-onnxruntime.sh [--cuda]" ;;
esac
[ $# -le 1 ] || fail "too many options; usage: scripts/fetch-onnxruntime.sh [--cuda]"

[ "$(uname -s)" = Linux ] || fail "no library is pinned for $(uname -s): set ORT_DYLIB_PATH to ONNX Runtime $version"
machine=$(uname -m)
case $machine in
arm64) machine=aarch64 ;;
amd64) machine=x86_64 ;;
esac
variant=$device-$machine
[ -n "$(files "$variant")" ] || fail "no library is pinned for $machine: set ORT_DYLIB_PATH to ONNX Runtime $version"

if present "$variant" "$folder" || present "cuda-$machine" "$folder"; then
    echo "ONNX Runtime $version is in $folder/"
    exit
fi

command -v python3 >/dev/null || fail "python3 is missing: apt-get install python3 python3-pip"
python3 -m pip --version >/dev/null 2>&1 || fail "pip is missing: apt-get install python3-pip"

read -r package platform wheel_sha256 <<<"$(wheel "$variant")"
mkdir -p "$folder"
# On the file system of the target, so that the libraries can be renamed into place.
scratch=$(mktemp -d -p "$folder")
trap 'rm -rf "$scratch"' EXIT

echo "fetching $package $version for $platform"
echo "$package==$version --hash=sha256:$wheel_sha256" >"$scratch/requirements.txt"
download() {
    python3 -m pip --disable-pip-version-check download --quiet --no-deps --require-hashes --only-binary=:all: \
        --implementation cp --python-version 3.12 --abi cp312 --platform "$platform" \
        --dest "$scratch" --requirement "$scratch/requirements.txt"
}
# pip does not ask again for what breaks off.
download || download || download ||
    fail "pip could not download $package==$version: see its message above"

files "$variant" | while read -r _ name; do
    python3 - "$scratch" "$name" <<'PYTHON'
import pathlib, shutil, sys, zipfile
folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
(wheel,) = folder.glob("*.whl")
with zipfile.ZipFile(wheel).open("onnxruntime/capi/" + name) as packed, open(folder / name, "wb") as unpacked:
    shutil.copyfileobj(packed, unpacked)
PYTHON
done
present "$variant" "$scratch" || fail "the libraries in the wheel are not those that are pinned"
# A running program keeps the library that it has open: a rename does not touch it.
files "$variant" | while read -r _ name; do mv "$scratch/$name" "$folder/$name"; done
echo "ONNX Runtime $version is in $folder/"
