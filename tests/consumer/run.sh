#!/usr/bin/env bash
# Installs libgeo from a build tree into a folder of its own, then builds and runs main.cpp against what is there:
# once as a CMake project, once by pkg-config. Then looks at the library's face: SONAME and visible symbols.
#
#   tests/consumer/run.sh BUILD_DIR SOURCE_DIR
set -euo pipefail
build=$(cd "${1:?BUILD_DIR}" && pwd)
source=$(cd "${2:?SOURCE_DIR}" && pwd)/tests/consumer
from_cache() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
failed() { echo "FAILED  $*" >&2; exit 1; }
quietly() { "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; failed "$*"; }; }

compiler=$(from_cache CMAKE_CXX_COMPILER)
sanitize=$(from_cache GEO_SANITIZE)
flags=(-Wall -Wextra -Werror)
[[ -z $sanitize ]] || flags+=("-fsanitize=$sanitize")

echo "== install"
quietly cmake --install "$build" --prefix "$prefix"
lib=$(find "$prefix" -name libgeo.so -printf '%h\n')
[[ -n $lib ]] || failed "no libgeo.so was installed"
export LD_LIBRARY_PATH=$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
# nothing of the repository may leak into what others are given
if grep -rIl -e "$build" -e "${source%/tests/consumer}" "$lib" "$prefix/include"; then
  failed "these name the tree they were built in"
fi

echo "== as a CMake project: find_package(geo), geo::geo"
quietly cmake -G Ninja -S "$source" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_CXX_FLAGS="${flags[*]}" -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF
quietly cmake --build "$work/cmake"
"$work/cmake/consumer"

echo "== by pkg-config: geo"
export PKG_CONFIG_PATH=$lib/pkgconfig
read -r -a cflags <<<"$(pkg-config --cflags geo)"
read -r -a libs <<<"$(pkg-config --libs geo)"
quietly "$compiler" -std=c++20 "${flags[@]}" "${cflags[@]}" "$source/main.cpp" -o "$work/by-pkg-config" "${libs[@]}"
"$work/by-pkg-config"

echo "== SONAME and version"
soname=$(readelf -d "$lib/libgeo.so" | sed -n 's/.*SONAME.*\[\(.*\)\].*/\1/p')
version=$(pkg-config --modversion geo)
[[ $soname == "libgeo.so.${version%%.*}" ]] || failed "SONAME is $soname, the version $version"
[[ -e $lib/$soname && -e $lib/libgeo.so.$version ]] || failed "$soname or libgeo.so.$version is not there"
readelf -d "$work/by-pkg-config" | grep -q "NEEDED.*\[$soname\]" || failed "the consumer does not ask for $soname"
echo "ok      $soname, $version"

# Strong symbols are geo's alone. Weak ones may be the standard library's and Poco's too: their inline code is declared visible. Read as
# the ABI mangles them, since there an entity's own scope comes first, whatever its arguments are. Sanitizers add theirs.
echo "== visible symbols"
nm -D --defined-only "$lib/libgeo.so" | awk '{ print $(NF - 1), $NF }' >"$work/symbols"
scope='^_Z(T[VIST]|GV|Th[n0-9]+_|Tv[n0-9]+_[n0-9]+_)?Z*[NPKV]*'
foreign=$(awk -v geo="${scope}3geo" -v standard="${scope}(S[tabsiod]|9__gnu_cxx|F|4Poco)" '
  $2 ~ geo || ($1 ~ /^[WVu]$/ && $2 ~ standard) || $2 ~ /^_*(asan|odr_asan|lsan|ubsan|tsan|sanitizer)/ { next }
  { print $2 }' "$work/symbols" | c++filt)
[[ -z $foreign ]] || { echo "$foreign" >&2; failed "libgeo.so shows more than geo::"; }
count=$(grep -Ec "${scope#^}3geo" "$work/symbols")
((count > 0)) || failed "libgeo.so shows nothing"
echo "ok      $count symbols of geo's, none of anybody else but the standard library's templates"
