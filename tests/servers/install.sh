#!/bin/sh
# Brings what a package manager can bring: `install.sh uv` a private uv into .uv/, `install.sh servers` the servers that the tests
# start. Nothing is started or enabled, and nothing that is there is touched. What it cannot bring it explains, and the exit code is 1.
set -eu
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-python3}
CLUSTER=${HOLDFAST_TEST_CLUSTER:-../shared/cluster/cluster}
export DEBIAN_FRONTEND=noninteractive

say() { echo "$*" >&2; }
has() { PATH=$PATH:/usr/local/sbin:/usr/sbin command -v "$1" >/dev/null 2>&1; }

debian() { # debian WHY PACKAGE...: install Debian packages, as root; else say what to do
    why=$1
    shift
    if [ "$(id -u)" = 0 ] && has apt-get; then
        say "installing $* ($why)"
        apt-get -qq update && apt-get -qq install -y --no-install-recommends "$@" >/dev/null
    else
        say "$why: please install $* (Debian: sudo apt-get install $*)"
        return 1
    fi
}

uv() {
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { say "Python 3.11 or newer is needed: make PYTHON=... setup"; return 1; }
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || debian "$PYTHON cannot make virtual environments" python3-venv
    say "bringing uv into .uv/"
    rm -rf .uv
    "$PYTHON" -m venv .uv
    .uv/bin/pip install --quiet --disable-pip-version-check 'uv>=0.9'
}

mariadb() {
    has mariadbd && has my_print_defaults || debian "MariaDB is not here" mariadb-server-core mariadb-client-core
}

mysql() { # an image, because Debian 12 has no package of MySQL 9.7
    if [ -n "${HOLDFAST_TEST_MYSQL:-}" ]; then return 0; fi
    if [ -e "$CLUSTER" ] && [ "$(id -u)" = 0 ]; then
        { has buildah && [ -n "$(buildah images -q mysql:9.7 2>/dev/null)" ]; } && return 0
        say "making the image of MySQL 9.7 (two minutes, once)"
        "$CLUSTER" base >&2
    elif has docker && docker info >/dev/null 2>&1; then
        docker image inspect mysql:9.7 >/dev/null 2>&1 || docker pull --quiet mysql:9.7 >&2
    else
        say "MySQL 9.7 is not here: start Docker, or set HOLDFAST_TEST_MYSQL=mysql+pymysql://user:password@host:port"
        return 1
    fi
}

kubernetes() { # built from source by the shared tools; a user has kind, or another cluster
    if [ -n "${HOLDFAST_TEST_KUBECONFIG:-}" ]; then return 0; fi
    if [ -e "$CLUSTER" ] && [ "$(id -u)" = 0 ]; then
        say "building Kubernetes, where it is not there yet (twelve minutes, once)"
        "$CLUSTER" install >&2
    else
        say "Kubernetes is not here: set HOLDFAST_TEST_KUBECONFIG to the KUBECONFIG of a cluster for tests, such as kind's"
        return 1
    fi
}

prometheus() { # two programs out of Debian's packages, into .tools/: installed, they would start services, and bring a web interface
    { has promtool || [ -x .tools/promtool ]; } && { has prometheus-mysqld-exporter || [ -x .tools/prometheus-mysqld-exporter ]; } && return 0
    if ! has apt-get; then
        say "Prometheus is not here: put promtool and prometheus-mysqld-exporter on PATH"
        return 1
    fi
    say "bringing promtool and prometheus-mysqld-exporter into .tools/"
    [ "$(id -u)" != 0 ] || apt-get -qq update
    mkdir -p .tools/packages
    (cd .tools/packages && apt-get -qq download prometheus prometheus-mysqld-exporter >/dev/null 2>&1) || { say "apt-get cannot bring them"; return 1; }
    for package in .tools/packages/*.deb; do dpkg-deb --extract "$package" .tools/packages/root; done
    mv .tools/packages/root/usr/bin/promtool .tools/packages/root/usr/bin/prometheus-mysqld-exporter .tools/
    rm -rf .tools/packages
}

clamav() { # out of Debian's packages, into .tools/: installed, they would start a daemon, and fetch 200 MB of signatures
    [ -x .tools/clamav/clamd ] || { has clamd && [ -d /usr/share/clamav-testfiles ]; } && return 0
    if ! has apt-get; then
        say "ClamAV is not here: put clamd on PATH, and its test files into /usr/share/clamav-testfiles"
        return 1
    fi
    ldconfig -p | grep -q 'libclamav\.so' || debian "ClamAV's library is not here" libclamav12 libncurses6 || return 1
    say "bringing clamd and ClamAV's test files into .tools/clamav/"
    rm -rf .tools/clamav && mkdir -p .tools/clamav/packages
    (cd .tools/clamav/packages && apt-get -qq download clamav-daemon clamav-testfiles >/dev/null 2>&1) || { say "apt-get cannot bring them"; return 1; }
    for package in .tools/clamav/packages/*.deb; do dpkg-deb --extract "$package" .tools/clamav/packages/root; done
    mv .tools/clamav/packages/root/usr/share/clamav-testfiles .tools/clamav/testfiles
    mv .tools/clamav/packages/root/usr/sbin/clamd .tools/clamav/
    rm -rf .tools/clamav/packages
}

definitions() { # what others bring to a cluster, as their projects publish it: files out of Go modules, of which nothing is built
    [ -d .tools/definitions ] && return 0
    has go || { say "Go is not here, which brings definitions of the Prometheus operator and the Gateway API"; return 1; }
    say "bringing definitions of the Prometheus operator and the Gateway API into .tools/definitions/"
    rm -rf .tools/bringing && mkdir -p .tools/bringing
    operator=$(module github.com/prometheus-operator/prometheus-operator@v0.85.0) && gateway=$(module sigs.k8s.io/gateway-api@v1.4.1) || return 1
    for kind in alertmanagerconfigs podmonitors prometheusrules servicemonitors; do
        cp "$operator/example/prometheus-operator-crd/monitoring.coreos.com_$kind.yaml" .tools/bringing/ || return 1
    done
    cp "$gateway/config/crd/standard/gateway.networking.k8s.io_httproutes.yaml" .tools/bringing/ || return 1
    mv .tools/bringing .tools/definitions
}

module() { # module PATH@VERSION: the folder where it is
    (cd .tools && go mod download -json "$1") | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p' | grep . || { say "Go cannot bring $1"; return 1; }
}

browser() { # not called chromium, or `has chromium` would find this
    has chromium || debian "Chromium is not here" chromium || return 1
    # The Node.js that Playwright brings, and steers the browser with, needs it, and Chromium does not.
    ! has ldconfig || ldconfig -p | grep -q 'libatomic\.so\.1' || debian "libatomic is not here" libatomic1
}

case ${1:-} in
    uv) uv ;;
    servers)
        failed=0
        has curl || debian "curl is not here, which the documents use" curl || failed=1
        mariadb || failed=1
        mysql || failed=1
        prometheus || failed=1
        clamav || failed=1
        definitions || failed=1
        browser || failed=1
        kubernetes || failed=1
        exit $failed
        ;;
    *)
        say "usage: install.sh uv|servers"
        exit 2
        ;;
esac
