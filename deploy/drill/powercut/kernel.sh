#!/usr/bin/env bash
# Gets what `make drill-power` needs on Debian: QEMU (installed) and a kernel
# (unpacked into the folder given, not installed). About 100 MB.
set -eu
dir=${1:?the folder for the kernel}
if ! command -v qemu-system-x86_64 >/dev/null; then
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends qemu-system-x86 qemu-utils >/dev/null || {
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends qemu-system-x86 qemu-utils >/dev/null
  }
fi
compgen -G "$dir/boot/vmlinuz-*" >/dev/null && exit 0
mkdir -p "$dir"
name=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*cloud-amd64\)$/\1/p' | head -1)
cd "$dir"
apt-get download "$name"
dpkg -x "$name"_*.deb .
rm -f "$name"_*.deb
