# SPDX-License-Identifier: GPL-2.0-only
#
# The front door. Every target is a script in lab/ which reads these variables
# from the environment and says what is wrong with them.

BASE ?= 6.12
VARIANT ?= patched
ARCH ?= x86_64
# 16 are a crowd. Not where they are emulated arm64 ones: a load takes seconds then, for
# QEMU has them take turns. Nor in a bisection, which boots every commit to see what it
# breaks, not how it scales.
CPUS ?= $(if $(filter bisect-check,$(MAKECMDGOALS))$(filter arm64,$(ARCH)),4,16)
export BASE VARIANT ARCH CPUS KSRC JOBS FORCE TIMEOUT ROUNDS CPUS_LIST QUICK HAMMER SEED

# "make clean" alone is about every base, "make clean BASE=6.12" about one.
export BASE_GIVEN := $(if $(filter command line environment,$(origin BASE)),y)

# The kernel's own makefiles are not to see what was meant for this one.
MAKEOVERRIDES =

TARGETS := boot check check-long check-peers bisect-check bench tree kernel series refresh clean

.PHONY: help distclean model $(TARGETS)
.NOTPARALLEL:

## help       this text (the default)
help:
	@echo 'make TARGET [BASE=$(BASE)] [VARIANT=patched|vanilla|debug|kcsan|vanilla-debug] [CPUS=16] [ARCH=x86_64|arm64] [KSRC=dir] [JOBS=n]'
	@sed -n 's/^## /  /p; s/^##$$//p' Makefile

## boot       boot the kernel in QEMU: udev coldplug, the kselftest, a summary
## check      all tests; the last line is "N passed, N failed"
## check-long  what takes hours: debug kernels in full, chance for minutes, faults, the model
## check-peers  other people's tests, on both kernels: patched passes what vanilla passes
## bisect-check  every commit of the series compiles, boots, and fails no test that passed before
## bench      vanilla against patched: a table, bench.json and plots in build/bench/BASE
## model      spin checks a model of the protocol; the last line is "N passed, N failed"
## tree       build/BASE/linux: a git tree, tag "base", one commit per patch
## kernel     build/BASE/VARIANT: a built kernel, fit for "make M="
## series     build/BASE/series/*.patch: what git am and git send-email take; V=2: [PATCH v2]
## refresh    rewrite patches/BASE and the overlay from build/BASE/linux
## clean      remove build/BASE (every base without BASE=); keeps the download
## distclean  remove build/ altogether
##
## boot:        TESTS=-t,NAME PROGRAMS=NAME (single tests), TIMEOUT=seconds
## bench:       ROUNDS=3 CPUS_LIST="16 64 128" QUICK=1
## check-long:  HAMMER=600 SEED=1
## check-peers: TESTS=NAME
## FORCE=1:     let go of work in build/BASE/linux; measure, or bisect, anew
$(TARGETS):
	@lab/$@

model:
	@lab/model/run

distclean:
	@lab/clean all
