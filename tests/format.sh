#!/usr/bin/env bash
# Holds every tracked .h and .cpp to .clang-format (as clang-format 14, Debian 12's, reads it).
#
#   tests/format.sh [--check]    names the files that differ, exit 1
#   tests/format.sh --fix        rewrites them
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case ${1---check} in
  --check) check='clang-format --dry-run -Werror "$1" 2>/dev/null || { echo "$1"; exit 1; }' ;;
  --fix) check='clang-format -i "$1"' ;;
  *) echo "format.sh: --check or --fix" >&2; exit 2 ;;
esac
command -v clang-format >/dev/null || { echo "format.sh: there is no clang-format" >&2; exit 2; }
list() { git -c safe.directory='*' ls-files -z -- '*.h' '*.cpp'; }
count=$(list | tr -cd '\0' | wc -c)
((count > 0)) || { echo "format.sh: git lists no sources here" >&2; exit 2; }
if list | xargs -0 -n 1 -P "$(nproc)" sh -c "$check" sh; then
  echo "$count files are as .clang-format says"
else
  echo "format.sh: these are not as .clang-format says; tests/format.sh --fix rewrites them" >&2
  exit 1
fi
