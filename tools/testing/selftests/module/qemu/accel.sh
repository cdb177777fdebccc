#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Prints what QEMU is to run $ARCH's kernel $IMAGE with: kvm, or tcg. KVM can be there
# and of no use, as in a guest of a hypervisor that does not nest well. So see if it gets
# through the first seconds of the kernel, to the panic for want of a root.
set -eu

: "${ARCH:?}" "${IMAGE:?}"
machine=q35 arch=$ARCH
if [ "$ARCH" = arm64 ]; then
	machine=virt arch=aarch64
fi
if [ "$(uname -m)" = "$arch" ] && [ -w /dev/kvm ] &&
	timeout --foreground -k 5 30 "qemu-system-$arch" -machine "$machine,accel=kvm" \
		-cpu max -m 1G -nodefaults -display none -monitor none -no-reboot \
		-kernel "$IMAGE" -append panic=-1 </dev/null >/dev/null 2>&1; then
	echo kvm
else
	echo tcg
fi
