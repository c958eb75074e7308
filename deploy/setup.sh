#!/usr/bin/env bash
# Installs what the tests need on Debian and is not there yet. On another
# system it says what is missing and goes on: tests that need it say so.
set -u
need=()
want() { command -v "$1" >/dev/null 2>&1 || need+=("$2"); }
want mkfs.ext4 e2fsprogs
want mosquitto mosquitto
want mosquitto_pub mosquitto-clients
want protoc protobuf-compiler
want chromium chromium
want xmllint libxml2-utils
[ ${#need[@]} -eq 0 ] && exit 0
if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
  echo "missing: ${need[*]} (install them; tests that need them are skipped)" >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get install -y -q "${need[@]}" >/dev/null 2>&1 || { apt-get update -q >/dev/null && apt-get install -y -q "${need[@]}" >/dev/null; }
