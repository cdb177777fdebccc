#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Print the accelerator that QEMU should use for $ARCH's kernel $IMAGE: kvm or tcg. KVM
# can exist and not work, for example in a guest of a hypervisor that does not nest well.
# Therefore boot the kernel with KVM up to its panic without a root file system.
set -eu

: "${ARCH:?}" "${IMAGE:?}"
machine=q35 arch=$ARCH
case $ARCH in
arm64) machine=virt arch=aarch64 ;;
ppc64le | s390x)
	echo tcg
	exit ;;
esac
if [ "$(uname -m)" = "$arch" ] && [ -w /dev/kvm ] &&
	timeout --foreground -k 5 30 "qemu-system-$arch" -machine "$machine,accel=kvm" \
		-cpu max -m 1G -nodefaults -display none -monitor none -no-reboot \
		-kernel "$IMAGE" -append panic=-1 </dev/null >/dev/null 2>&1; then
	echo kvm
else
	echo tcg
fi
