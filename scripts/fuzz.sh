#!/usr/bin/env bash
# Builds the fuzz targets with coverage, by the stable compiler, and runs them. `cargo fuzz run TARGET --sanitizer none` does
# the same where it is installed: the layout of fuzz/ is its own.
#
#   scripts/fuzz.sh smoke               every target for SECONDS_EACH (10) seconds; the last line is a JSON object
#   scripts/fuzz.sh TARGET [OPTION…]    one target until it finds something; options are those of libFuzzer
#
# No sanitizer: there is no unsafe code of ours that one would look into. An input that breaks a target lies under
# fuzz/artifacts/, and `scripts/fuzz.sh TARGET FILE` runs it again; those that reach new code under fuzz/found/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

targets=(members warc_header http charset html picture)

case " ${targets[*]} smoke " in
*" ${1:-} "*) ;;
*)
    echo "there is no fuzz target \"${1:-}\"; name one of ${targets[*]}, as in: make fuzz TARGET=html" >&2
    exit 2
    ;;
esac

host="$(rustc -vV | sed -n 's/^host: //p')"
export CARGO_TARGET_DIR="$PWD/fuzz/target"
# As cargo-fuzz sets them.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
# What is fuzzed has the versions that the program has; what is needed beside them is added.
cp Cargo.lock fuzz/Cargo.lock
# For the host by its name, so that build scripts and macros are built without the flags.
cargo build --release --manifest-path fuzz/Cargo.toml --bins --target "$host"

# An input may take so many seconds of the clock, which go on where the machine is busy, and the process so much memory, in MiB.
limits=(-timeout=60 -rss_limit_mb=1024)

# Runs a target on what it found before and on the corpus that is kept.
run() {
    local target=$1 dictionary=()
    shift
    [ ! -f "fuzz/dictionaries/$target" ] || dictionary=("-dict=fuzz/dictionaries/$target")
    mkdir -p "fuzz/artifacts/$target"
    "$CARGO_TARGET_DIR/$host/release/$target" "${limits[@]}" "${dictionary[@]}" \
        "-artifact_prefix=fuzz/artifacts/$target/" "$@"
}

if [ "${1:-}" != smoke ]; then
    target=$1
    shift
    folders=()
    # A file is run alone.
    if [ ! -f "${1:-}" ]; then
        mkdir -p "fuzz/found/$target"
        folders=("fuzz/found/$target" "fuzz/corpus/$target")
    fi
    run "$target" "$@" "${folders[@]}"
    exit
fi

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
begin=$SECONDS runs=0 crashes=0
for target in "${targets[@]}"; do
    mkdir "$work/$target"
    status=0
    run "$target" "-max_total_time=${SECONDS_EACH:-10}" -print_final_stats=1 "$work/$target" "fuzz/corpus/$target" \
        >"$work/log" 2>&1 || status=$?
    executed="$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log")"
    runs=$((runs + ${executed:-0}))
    if [ "$status" -ne 0 ]; then
        crashes=$((crashes + 1))
        tail -n 60 "$work/log"
    fi
    echo "$target: ${executed:-0} runs"
done
printf '{"targets":%d,"runs":%d,"crashes":%d,"seconds":%d}\n' "${#targets[@]}" "$runs" "$crashes" $((SECONDS - begin))
[ "$crashes" -eq 0 ]
