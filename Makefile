# SPDX-License-Identifier: GPL-2.0-only
#
# The front door. Each target is a script in lab/, which reads these variables from the
# environment and checks them.

BASE ?= 6.12
VARIANT ?= patched
ARCH ?= x86_64
# 16 CPUs make many concurrent requests. Emulated CPUs of other architectures take turns, so
# that a load takes seconds with 16. A bisection boots each commit to see what breaks, and not
# how it scales.
CPUS ?= $(if $(filter bisect-check,$(MAKECMDGOALS))$(filter-out x86_64,$(ARCH)),4,16)
export BASE VARIANT ARCH CPUS CONFIG GUEST KSRC JOBS FORCE TIMEOUT ROUNDS CPUS_LIST QUICK PARTS
export KMODS HAMMER INPUTS FROM TO CONTINUE ABORT SERIES V KBUILD SIZE ARGS
# Errors begin with what the user typed, whichever script finds them.
export LAB_TARGET = make $@

# "make clean" alone removes every base, "make clean BASE=6.12" one.
export BASE_GIVEN := $(if $(filter command line environment,$(origin BASE)),y)

# The variables above must not reach the kernel's makefiles as overrides.
MAKEOVERRIDES =

TARGETS := boot check check-long check-peers bisect-check bench measure deb deb-life \
	tree series refresh port clean

.PHONY: help kernel distclean model fuzz $(TARGETS)
.NOTPARALLEL:

## help       this text (the default)
help:
	@echo 'make TARGET [BASE=$(BASE)] [VARIANT=patched|base|debug|kcsan] [CPUS=16] [KSRC=dir] [JOBS=n]'
	@sed -n 's/^## /  /p; s/^##$$//p' Makefile

## boot       boot the kernel in QEMU: udev coldplug, the kselftest, a summary
## check      the tests; the last line is "N passed, N failed"
## check-long  the tests that take hours: debug kernels in full, the hammer, the model
## check-peers  tests of other projects; the patched kernel must pass what the base passes
## bisect-check  every commit compiles, boots, and fails no test that passed before
## bench      base against patched: a table, bench.json and plots in build/bench/BASE
## measure    a program and a module, in build/measure, that measure concurrent requests on
##            a running machine; ARGS=--yes measures this one
## model      check a model of the protocol with spin; the last line is "N passed, N failed"
## fuzz       feed images to the parser of images in user memory; INPUTS=10000000
## tree       apply the series: build/BASE/linux, branch series/BASE on tag base/BASE
## kernel     build/BASE/VARIANT: a built kernel, fit for "make M="; CONFIG=debian: the
##            vmlinuz for an installed Debian kernel of that release, without modules
## deb        a package in build/BASE that adds the series' kernel to an installed Debian;
##            KSRC=dir CONFIG=/boot/config-...: packages of any kernel, with its modules
## deb-life   install that package in a Debian guest, boot it by GRUB, remove it, boot again
## refresh    write patches/BASE and the copies of new files from build/BASE/linux;
##            branch core/BASE is the end of the core
## port       FROM=7.3 TO=6.12: merge the series of one base into another
## series     build/BASE/series/core and extras, signed off by you, for git send-email
## clean      remove build/BASE (every base without BASE=); keeps downloads
## distclean  remove build/
##
## boot:        TESTS=NAME (a part of a test's name), PROGRAMS=NAME, TIMEOUT=seconds,
##              GUEST=debian (a stock Debian with systemd, CONFIG=debian, up to 255 CPUs)
## port:        KSRC=dir in place of TO=; after a conflict, CONTINUE=1 or ABORT=1
## series:      SERIES=core|extras|all, V=2 for [PATCH v2]
## bench:       ROUNDS=3 CPUS_LIST="16 64 128" QUICK=1 PARTS="storm room";
##              GUEST=debian KMODS="30 34" (boots of a stock Debian)
## measure:     KBUILD=dir (headers of another kernel), ARGS=--help, SIZE=MiB (to sign it)
## check-long:  HAMMER=600
## check-peers: TESTS=NAME
## ARCH=:       i386, arm64, ppc64le, s390x: boot, check and others, with 4 emulated CPUs
## FORCE=1:     tree, clean: discard work in build/BASE/linux; refresh: overwrite patches/;
##              port: replay all commits; bench, bisect-check: start over
$(TARGETS):
	@lab/run $@

kernel:
	@lab/run boot --kernel

model:
	@lab/run model/run

fuzz:
	@lab/run fuzz/run

distclean:
	@lab/clean all
