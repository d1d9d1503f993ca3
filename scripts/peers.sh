#!/usr/bin/env bash
# Install the libraries that crisp_ik is compared with (requirements/bench.txt) into .venv. `make bench` runs this.
#
# One that cannot be had for this Python or this machine is left out, and the benchmark says which, and why.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
venv=$root/.venv
log=$root/log
[ -f "$venv/constraints.txt" ] || {
    echo "peers: there is no environment yet; run 'make setup' first" >&2
    exit 1
}

hash=$(cat requirements/bench.txt "$venv/constraints.txt" | sha256sum | cut -d' ' -f1)
if [ "$(cat "$venv/bench_stamp" 2>/dev/null)" = "$hash" ]; then exit 0; fi

install() {
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --prefer-binary \
        -c "$venv/constraints.txt" "$@" >>"$log/peers.log" 2>&1
}

mkdir -p "$log"
: >"$log/peers.log"
printf '\033[1m==>\033[0m %s\n' "Installing the libraries to compare with (some minutes; details in log/peers.log)"
if ! install -r requirements/bench.txt; then
    # Together they cannot be had: then those that can, one by one.
    while read -r name; do
        install "$name" || echo "    left out: $name (see log/peers.log)"
    done < <(grep -v '^#' requirements/bench.txt)
fi
echo "$hash" >"$venv/bench_stamp"
