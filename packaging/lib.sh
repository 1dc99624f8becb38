# What packaging/demo and packaging/test share. Sourced by bash; sets `root` (of the repository) and goes there.
#
# The Debian 12 packages, in one place:
#   . packaging/lib.sh && sudo apt-get install --no-install-recommends $BUILD_PACKAGES

# To build geod, geoctl and libgeo.
BUILD_PACKAGES="cmake g++ ninja-build pkg-config
  libcli11-dev libcurl4-openssl-dev libexpected-dev libfmt-dev libmaxminddb-dev libmongoc-dev libpoco-dev libssl-dev libsystemd-dev
  libtomlplusplus-dev libxxhash-dev prometheus-cpp-dev"
# To watch it work.
DEMO_PACKAGES="ca-certificates curl"
# To test it. nginx is a video node in front of a file that ffmpeg made, and with haproxy a proxy in front of geod; Java runs the MongoDB that tests/support/mongo builds.
# prometheus tries alerts; fish and zsh completions; lintian, rpm and systemd the packages.
TEST_PACKAGES="binutils ccache chromium chromium-driver clang-format curl default-jdk-headless dpkg-dev ffmpeg fish git haproxy libgmock-dev
  libgtest-dev lintian logrotate man-db maven nginx prometheus python3 python3-cryptography python3-jsonschema python3-pymongo python3-pytest
  python3-pytest-xdist python3-selenium rpm systemd valgrind zsh"
# To build the benchmarks (-DGEO_BENCH=ON), and the peers that geod is measured beside.
BENCH_PACKAGES="haproxy libbenchmark-dev libnginx-mod-http-geoip2 libnginx-mod-http-js nginx openssl python3 util-linux wrk"
# What cpack makes of geod.
PACKAGES="geod geoctl libgeo0 libgeo-dev geod-dbgsym"

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1

if [[ -t 1 && -z ${NO_COLOR-} ]]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
  bold='' dim='' red='' green='' plain=''
fi

say() { printf '\n%s\n' "${bold}$*${plain}"; }
note() { printf '%s\n' "${dim}$*${plain}"; }
fail() {
  printf '%s\n' "${red}${0##*/}: $*${plain}" >&2
  exit 1
}

# Runs the command of README.md that begins so, as whoever reads it does.
as_readme() {
  local command
  command=$(grep -m 1 "^$1" "$root/README.md") || fail "README.md has no command '$1 ..'"
  bash -c "$command"
}

is_installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# apt-get as root, asking nothing.
as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "'$*' needs root: run this as root, or install sudo"
  fi
}

# Installs those of the packages that are not there. Services they bring (nginx) are not started: the tests run their own.
install_missing() {
  command -v apt-get >/dev/null || fail "this needs Debian 12: there is no apt-get; install what these are called here: $*"
  local package missing=() policy=/usr/sbin/policy-rc.d own_policy='' log status
  for package in "$@"; do is_installed "$package" || missing+=("$package"); done
  ((${#missing[@]})) || return 0
  say "Installing ${#missing[@]} Debian packages"
  note "${missing[*]}"
  log=$(mktemp)
  if [[ ! -e $policy ]]; then
    own_policy=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
  fi
  as_root env DEBIAN_FRONTEND=noninteractive sh -c \
    'apt-get update -q && apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"' sh "${missing[@]}" >"$log" 2>&1 </dev/null
  status=$?
  [[ -z $own_policy ]] || as_root rm -f $policy
  if ((status != 0)); then
    tail -n 30 "$log" >&2
    rm -f "$log"
    fail "apt-get could not install them"
  fi
  rm -f "$log"
}
