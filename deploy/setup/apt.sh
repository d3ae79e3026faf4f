# Sourced by the other scripts: installs Debian packages, as root or through sudo.
apt_install() {
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "Please install: $* (no apt-get here to do it for you)" >&2
        exit 1
    fi
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            echo "Please run as root: apt-get install $*" >&2
            exit 1
        fi
        as_root="sudo"
    fi
    echo "Installing Debian packages: $*"
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q >/dev/null
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >/dev/null
}
