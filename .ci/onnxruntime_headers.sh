#!/usr/bin/env bash
# Puts the C headers of onnxruntime 1.21 (85 kB, MIT) into FOLDER, from Debian's package libonnxruntime-dev. Nothing is
# installed and no list of the system's changes. Debian 12 does not have the package, so that of Debian 13 is taken.
#
#   .ci/onnxruntime_headers.sh FOLDER
set -euo pipefail
target=${1:?"usage: $0 FOLDER"}
package=libonnxruntime-dev
release=trixie

[ -e "$target/onnxruntime_c_api.h" ] && exit 0
fail() { echo "no headers of onnxruntime: $1" >&2; exit 1; }
for tool in apt-get dpkg-deb; do command -v $tool >/dev/null || fail "$tool is missing"; done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
if ! apt-get download $package >/dev/null 2>&1; then
  mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | head -n 1 || true)
  keys=$(ls /usr/share/keyrings/debian-archive-keyring.* 2>/dev/null | head -n 1 || true)
  [ -n "$mirror" ] && [ -n "$keys" ] || fail "this is no Debian, and $package is in none of its sources"
  mkdir -p lists/partial cache/archives/partial
  echo "deb [signed-by=$keys] $mirror $release main" > sources.list
  options=(-o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/nonexistent
    -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o "APT::Sandbox::User=$(id -un)"
    -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o APT::Update::Error-Mode=any)
  apt-get "${options[@]}" update >log 2>&1 || fail "$(tail -n 1 log)"
  apt-get "${options[@]}" download $package >log 2>&1 || fail "$(tail -n 1 log)"
fi
dpkg-deb -x $package*.deb content
cd - >/dev/null
mkdir -p "$target"
cp "$work"/content/usr/include/onnxruntime/*.h "$work/content/usr/share/doc/$package/copyright" "$target"
echo "headers of onnxruntime are in $target"
