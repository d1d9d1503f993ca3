# Source this file (bash, zsh or another POSIX shell): ROS 2, the Python environment and the built package.
#   . ./env.sh

# Every shell has its own way to say where a sourced file is; a plain POSIX shell has none.
if [ -n "${BASH_VERSION:-}" ]; then
    _crisp_ik_file=${BASH_SOURCE[0]}
elif [ -n "${ZSH_VERSION:-}" ]; then
    eval '_crisp_ik_file=${(%):-%x}'
else
    _crisp_ik_file=./env.sh
fi
_crisp_ik_root=$(CDPATH='' cd -- "$(dirname -- "$_crisp_ik_file")" && pwd)

# Put a folder in front of a list of folders, once.
_crisp_ik_prepend() {
    eval "_crisp_ik_list=\${$1:-}"
    case ":$_crisp_ik_list:" in
    *":$2:"*) ;;
    *) export "$1=$2${_crisp_ik_list:+:$_crisp_ik_list}" ;;
    esac
}

if [ ! -f "$_crisp_ik_root/install/stamp" ] || [ ! -f "$_crisp_ik_root/.venv/crisp_ik.sh" ]; then
    if [ -f "$_crisp_ik_root/scripts/setup.sh" ]; then
        echo "env.sh: nothing is built yet. Run 'make setup' in $_crisp_ik_root first." >&2
    else
        echo "env.sh: source it from its own folder: cd /path/to/crisp_ik && . ./env.sh" >&2
    fi
    unset _crisp_ik_file _crisp_ik_root
    unset -f _crisp_ik_prepend
    return 1 2>/dev/null || exit 1
fi

. "$_crisp_ik_root/.venv/crisp_ik.sh"
if [ -n "$CRISP_IK_ROS_SETUP" ]; then
    if [ -z "${ROS_DISTRO:-}" ]; then . "$CRISP_IK_ROS_SETUP"; fi
    # The command ros2 runs with the system's Python, and launch files import this package.
    for _crisp_ik_folder in "$_crisp_ik_root"/.venv/lib/python3*/site-packages; do
        _crisp_ik_prepend PYTHONPATH "$_crisp_ik_folder"
    done
    unset _crisp_ik_folder
else
    _crisp_ik_prepend AMENT_PREFIX_PATH "$_crisp_ik_root/.venv"
    _crisp_ik_prepend CMAKE_PREFIX_PATH "$_crisp_ik_root/.venv"
    _crisp_ik_prepend LD_LIBRARY_PATH "$CRISP_IK_LIBRARIES"
    # The wheels make every Python process start itself a second time with the library path above, unless this says that
    # the path is there.
    export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
fi

export VIRTUAL_ENV="$_crisp_ik_root/.venv"
_crisp_ik_prepend PATH "$_crisp_ik_root/.venv/bin"
_crisp_ik_prepend AMENT_PREFIX_PATH "$_crisp_ik_root/install/crisp_ik"
_crisp_ik_prepend CMAKE_PREFIX_PATH "$_crisp_ik_root/install/crisp_ik"
_crisp_ik_prepend LD_LIBRARY_PATH "$_crisp_ik_root/install/crisp_ik/lib"
_crisp_ik_prepend PYTHONPATH "$CRISP_IK_SITE_PACKAGES"
_crisp_ik_prepend PYTHONPATH "$_crisp_ik_root/build/live"

unset _crisp_ik_file _crisp_ik_root _crisp_ik_list
unset CRISP_IK_ROS_SETUP CRISP_IK_LIBRARIES CRISP_IK_SITE_PACKAGES
unset -f _crisp_ik_prepend
