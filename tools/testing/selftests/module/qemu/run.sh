#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Boot the guest, print its KTAP while it runs, and check the results. The Makefile sets
# all variables below. Exit with 0 if all programs ran and their tests passed, or if exactly
# the known failures failed.
set -eu

: "${ARCH:?}" "${IMAGE:?}" "${INITRAMFS:?}" "${OUT:?}" "${CPUS:?}" "${MEM:?}" "${TIMEOUT:?}"
: "${KNOWN_FAILURES=}" "${CONTROL=}" "${TESTS=}" "${LABEL=}" "${APPEND=}" "${QEMU_ARGS=}"
: "${PROGRAMS:?}" "${OOPS=}" "${KCSAN=}" "${KUNIT=}" "${ACCEL=}"
: "${OBJECTS:?}" "${NM:?}" "${TSC_KHZ:?}"

fail()
{
	echo "FAIL: $*"
	echo "      console of the guest: $OUT/console.log, KTAP: $OUT/ktap.log"
	exit 1
}

case $CPUS in
''|*[!0-9]*) fail "CPUS=$CPUS is not a number" ;;
esac
if [ "$CPUS" -lt 1 ] || [ "$CPUS" -gt 255 ]; then
	fail "CPUS=$CPUS is not within 1 to 255"
fi
[ -z "$KNOWN_FAILURES" ] || [ -r "$KNOWN_FAILURES" ] ||
	fail "KNOWN_FAILURES=$KNOWN_FAILURES: no such file"
case $OOPS in
'') on_oops="oops=panic parallel_load.disable_modules" ;;
1) on_oops="parallel_load.oops leaks=no" ;;
*) fail "OOPS=$OOPS is neither 1 nor empty" ;;
esac

# The thresholds are higher than the delays that a busy host causes.
append="loglevel=7 panic=-1 $on_oops softlockup_panic=1"
append="$append watchdog_thresh=60 hung_task_panic=1"
append="$append sysctl.kernel.hung_task_timeout_secs=300"
append="$append rcupdate.rcu_cpu_stall_timeout=120"

case $ACCEL in
kvm|tcg) accel=$ACCEL ;;
'')	accel=$(ARCH=$ARCH IMAGE=$IMAGE sh "$(dirname "$0")/accel.sh") ;;
*)	fail "ACCEL=$ACCEL is neither kvm, tcg nor empty" ;;
esac

# The first serial port of the guest is the console, and ttyS1 is the second.
case $ARCH in
x86_64 | i386)
	# Without lpj= each emulated CPU calibrates its delay loop, which takes most of
	# the boot.
	append="console=ttyS0 $append tsc=reliable no_timer_check lpj=5000000"
	# Emulated CPUs have the time-stamp counter of this machine. On a busy host the
	# guest measures a frequency, and then has a clock, that is wrong by up to 20 times.
	if [ "$accel" = tcg ] && khz=$("$TSC_KHZ"); then
		append="$append tsc_early_khz=$khz"
	fi
	# KASAN can report an interrupt early in the boot if the CPU has page tables with
	# five levels, because the kernel does not see that feature for a moment.
	cpu=max,la57=off
	set -- "qemu-system-$ARCH" -machine "q35,accel=$accel" \
		-serial "file:$OUT/console.log" -serial stdio ;;
arm64)
	append="console=ttyAMA0 earlycon $append"
	cpu=max
	set -- qemu-system-aarch64 -machine "virt,gic-version=max,accel=$accel" \
		-device pci-serial-2x,chardev1=none,chardev2=ktap \
		-chardev null,id=none -chardev stdio,id=ktap \
		-serial "file:$OUT/console.log" ;;
ppc64le)
	append="console=hvc0 $append"
	cpu=power9
	set -- qemu-system-ppc64 -machine "pseries,accel=$accel" \
		-device pci-serial-2x,chardev1=none,chardev2=ktap \
		-chardev null,id=none -chardev stdio,id=ktap \
		-serial "file:$OUT/console.log" ;;
s390x)
	append="console=ttysclp0 ktap=/dev/hvc0 $append"
	cpu=max
	set -- qemu-system-s390x -machine "s390-ccw-virtio,accel=$accel" \
		-device virtio-serial-ccw -device virtconsole,chardev=ktap \
		-chardev stdio,id=ktap -serial "file:$OUT/console.log" ;;
*)	fail "ARCH=$ARCH is none of x86_64, i386, arm64, ppc64le, s390x" ;;
esac
programs=$(echo "$PROGRAMS" | tr -s ' ' ,)
append="$append programs=$programs${CONTROL:+ control=$CONTROL}${TESTS:+ tests=$TESTS} $APPEND"

mkdir -p "$OUT"
rm -f "$OUT/console.log" "$OUT/ktap.log" "$OUT/status"
echo "Booting $CPUS CPUs ($accel), $MEM, at most $TIMEOUT s (console: $OUT/console.log)"

# shellcheck disable=SC2086 # QEMU_ARGS is a list of words
{
	status=0
	timeout --foreground -k 10 "$TIMEOUT" "$@" -cpu "$cpu" -smp "$CPUS" -m "$MEM" \
		-nodefaults -display none -monitor none -no-reboot \
		-kernel "$IMAGE" -initrd "$INITRAMFS" \
		-append "$append" $QEMU_ARGS </dev/null || status=$?
	echo "$status" > "$OUT/status"
} | sed -u 's/\r$//' | tee "$OUT/ktap.log"

[ -s "$OUT/console.log" ] || fail "the console is empty (status of QEMU: $(cat "$OUT/status"))"

reports='Kernel panic|BUG:|Oops|WARNING:|general protection|KASAN:|KCSAN:|UBSAN:'
reports="$reports|soft lockup|hard LOCKUP|blocked for more than|rcu.*(INFO|starved)"
reports="$reports|circular locking|recursive locking|inconsistent lock|refcount_t:"
reports="$reports|sleeping function called|list_(add|del) corruption|unreferenced object"
reports="$reports|ODEBUG:|suspicious RCU|workqueue lockup|non-static key"
grep -anE "$reports" "$OUT/console.log" > "$OUT/reports.log" || :
if [ "$OOPS" = 1 ]; then
	# The tests dereference a NULL pointer, sometimes with a lock held.
	oops='(Oops|general protection fault).*\[#[0-9]+\]'
	null='kernel NULL pointer dereference|KASAN: null-ptr-deref in range'
	oopses=$(grep -Ec "$oops" "$OUT/reports.log" || :)
	sed -Ei "/$oops|$null|still has locks held/d" "$OUT/reports.log"
fi
if [ -n "$KCSAN" ]; then
	# A data race fails the boot if one of the two functions in its title is in
	# kernel/module or in a test module. Other data races are counted.
	find "$OBJECTS" -name '*.o' -exec "$NM" {} + | awk 'NF > 2 { print $3 }' > "$OUT/ours"
	[ -s "$OUT/ours" ] || fail "no functions in $OBJECTS"
	awk -v others="$OUT/races.log" 'BEGIN { printf "" > others }
		FNR == NR { ours[$1] = 1; next }
		!/KCSAN: data-race in / { print; next }
		{
			title = $0
			sub(/.*KCSAN: data-race in /, "", title)
			mine = title ~ /\[test_modload_/
			n = split(title, functions, " / ")
			for (i = 1; i <= n; i++) {
				sub(/[+ ].*/, "", functions[i])
				mine = mine || functions[i] in ours
			}
			if (mine)
				print
			else
				print > others
		}' "$OUT/ours" "$OUT/reports.log" > "$OUT/reports.new"
	mv "$OUT/reports.new" "$OUT/reports.log"
fi
if [ -s "$OUT/reports.log" ]; then
	head -20 "$OUT/reports.log"
	fail "the kernel reported an error"
fi
case $(cat "$OUT/status") in
0) ;;
124|137)
	tail -20 "$OUT/console.log"
	fail "the guest did not end within $TIMEOUT s" ;;
*)
	tail -20 "$OUT/console.log"
	fail "QEMU ended with status $(cat "$OUT/status")" ;;
esac
bail=$(grep -m 1 '^Bail out!' "$OUT/ktap.log" || :)
[ -z "$bail" ] || fail "$bail"
for program in $PROGRAMS; do
	grep -Eq "^(not )?ok [0-9]+ $program( |\$)" "$OUT/ktap.log" || {
		tail -20 "$OUT/console.log"
		fail "the guest ended before $program did"
	}
done

if [ "$OOPS" = 1 ]; then
	# Each test of a dead task makes one task oops.
	expected=$(grep -Ec '^  (not )?ok [0-9]+ (- )?dead_' "$OUT/ktap.log" || :)
	[ "$oopses" = "$expected" ] ||
		fail "the kernel reported $oopses oopses, and the tests made $expected"
fi

figure() { sed -n "s/^# coldplug $1: //p" "$OUT/ktap.log"; }
count() { grep -Ec "$1" "$OUT/ktap.log" || :; }
count_kunit() { grep -Eac "\\] {5,}$1 [0-9]+ " "$OUT/console.log" || :; }
names() { sed -En "s/^  $1 [0-9]+ (- )?([^ ]+).*/\2/p" "$OUT/ktap.log" | sort; }

skipped=$(count '^ *ok .*# SKIP')
failed=$(count '^  not ok ')
passed=$(($(count '^  ok ') - $(count '^  ok .*# SKIP')))
leaks=$(sed -n 's/^not ok [0-9]* leaks # //p' "$OUT/ktap.log")
planned=$(awk '/^  1\.\.[0-9]/ { sub(/^  1\.\./, ""); n += $0 } END { print n }' "$OUT/ktap.log")

echo
echo "kernel            $(sed -n 's/^# guest: //p' "$OUT/ktap.log")"
[ -z "$LABEL" ] || echo "series            $LABEL"
if [ -n "$(figure loads)" ]; then
	echo "udev's requests   $(figure requests), settled in $(figure seconds) s"
	echo "loads             $(figure loads)"
	echo "requests merged   $(figure merged)"
	echo "memory wasted     $(figure 'bytes wasted') bytes"
elif [ -n "$(figure seconds)" ]; then
	echo "udev              settled in $(figure seconds) s, $(figure modules) modules"
	echo "                  (this kernel has no MODULE_STATS)"
fi
if [ -n "$KCSAN" ]; then
	others=$(wc -l < "$OUT/races.log")
	echo "data races        0 in kernel/module, $others elsewhere ($OUT/races.log)"
fi
[ -z "$KUNIT" ] || echo "KUnit             $(count_kunit ok) passed, $(count_kunit 'not ok') failed"
[ "$OOPS" != 1 ] || echo "oopses            $oopses, as expected"
[ -z "$leaks" ] || echo "leaks             $leaks"
echo "tests             $passed passed, $failed failed, $skipped skipped${TESTS:+ ($TESTS)}"

[ -z "$(names 'not ok')" ] || names 'not ok' | sed 's/^/  failed: /'
[ "$((passed + failed + $(count '^  ok .*# SKIP')))" = "${planned:-none}" ] ||
	fail "the programs planned ${planned:-no} tests and reported another number"
if [ -n "$KUNIT" ]; then
	! grep -Ea '\] +not ok [0-9]+ ' "$OUT/console.log" || fail "a KUnit test failed"
	[ "$(count_kunit ok)" -gt 0 ] || fail "no KUnit test ran"
fi
[ -z "$leaks" ] || fail "memory leaks: $leaks ($OUT/ktap.log has the backtraces)"
! grep -q '^not ok 1 coldplug' "$OUT/ktap.log" || fail "the coldplug failed"
[ "$passed" -gt 0 ] || fail "no test passed"
! grep -Eq '^  # Totals: pass:0 fail:0 .*skip:[1-9]' "$OUT/ktap.log" ||
	fail "a program skipped all of its tests ($OUT/ktap.log has the reason)"
for program in $PROGRAMS; do
	! grep -q "^ok [0-9]* $program # SKIP" "$OUT/ktap.log" ||
		fail "$program was skipped ($OUT/ktap.log has the reason)"
done

if [ -n "$KNOWN_FAILURES" ]; then
	# A line is an extended regular expression, a tab, "?" if the test can pass, results.
	sed '/^#/d; s/	.*//' "$KNOWN_FAILURES" > "$OUT/known"
	sed '/^#/d; /	?/d; s/	.*//' "$KNOWN_FAILURES" > "$OUT/always"
	names 'not ok' > "$OUT/failed"
	! grep -Evxf "$OUT/known" "$OUT/failed" || fail "these tests should have passed"
	names ok > "$OUT/passed"
	! grep -Exf "$OUT/always" "$OUT/passed" | grep -v '^#' ||
		fail "these tests should have failed"
	echo "PASS: exactly the $failed known failures failed"
	exit 0
fi
[ "$failed" -eq 0 ] || fail "$failed tests failed"
for program in $PROGRAMS; do
	grep -Eq "^ok [0-9]+ $program( |\$)" "$OUT/ktap.log" || fail "$program did not end well"
done
echo "PASS"
