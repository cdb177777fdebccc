#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Boots the guest, streams its KTAP, and judges. Called by the Makefile, which
# sets every variable below. Exit status 0: all that was asked for was shown.
set -eu

: "${ARCH:?}" "${IMAGE:?}" "${INITRAMFS:?}" "${OUT:?}" "${CPUS:?}" "${MEM:?}" "${TIMEOUT:?}"
: "${KNOWN_FAILURES=}" "${CONTROL=}" "${TESTS=}" "${LABEL=}" "${APPEND=}" "${QEMU_ARGS=}"
: "${PROGRAMS:?}" "${OOPS=}" "${KUNIT=}" "${KCSAN=}" "${ACCEL=}" "${OBJECTS:?}" "${NM:?}"
: "${TSC_KHZ:?}"

fail()
{
	echo "FAIL: $*"
	echo "      the guest's console: $OUT/console.log, its KTAP: $OUT/ktap.log"
	exit 1
}

case $CPUS in
''|*[!0-9]*) fail "CPUS=$CPUS is not a number" ;;
esac
if [ "$CPUS" -lt 1 ] || [ "$CPUS" -gt 255 ]; then
	fail "CPUS=$CPUS: this machine model has 1 to 255"
fi
[ -z "$KNOWN_FAILURES" ] || [ -r "$KNOWN_FAILURES" ] ||
	fail "KNOWN_FAILURES=$KNOWN_FAILURES: no such file"
case $OOPS in
'') on_oops=oops=panic ;;
1) on_oops="parallel_load.oops leaks=no" ;;
*) fail "OOPS=$OOPS is neither 1 nor empty" ;;
esac

# A lockup is one that outlasts what an overcommitted host does to a guest.
append="loglevel=7 panic=-1 $on_oops softlockup_panic=1"
append="$append watchdog_thresh=60 hung_task_panic=1"
append="$append sysctl.kernel.hung_task_timeout_secs=300"
append="$append rcupdate.rcu_cpu_stall_timeout=120 parallel_load.disable_modules"

case $ACCEL in
kvm|tcg) accel=$ACCEL ;;
'')	accel=$(ARCH=$ARCH IMAGE=$IMAGE sh "$(dirname "$0")/accel.sh") ;;
*)	fail "ACCEL=$ACCEL is neither kvm, tcg nor empty" ;;
esac

# The console is the first serial port given to QEMU, ttyS1 the second.
case $ARCH in
x86_64)
	# lpj= spares each CPU the calibration of its delay loop, which takes most
	# of the boot where the CPUs are emulated.
	append="console=ttyS0 $append tsc=reliable no_timer_check lpj=5000000"
	# An emulated CPU has the counter of this machine's. A guest that measures it on
	# a busy host can be wrong by a factor of twenty, and so is its clock then.
	if [ "$accel" = tcg ] && khz=$("$TSC_KHZ"); then
		append="$append tsc_early_khz=$khz"
	fi
	# While the features of the first CPU are being looked up, it seems to have no
	# five levels of page tables, and KASAN reports an interrupt at that time.
	cpu=max,la57=off
	set -- qemu-system-x86_64 -machine "q35,accel=$accel" \
		-serial "file:$OUT/console.log" -serial stdio ;;
arm64)
	append="console=ttyAMA0 earlycon $append"
	cpu=max
	set -- qemu-system-aarch64 -machine "virt,gic-version=max,accel=$accel" \
		-device pci-serial-2x,chardev1=none,chardev2=ktap \
		-chardev null,id=none -chardev stdio,id=ktap \
		-serial "file:$OUT/console.log" ;;
*)	fail "ARCH=$ARCH is neither x86_64 nor arm64" ;;
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

[ -s "$OUT/console.log" ] || fail "QEMU printed nothing (status $(cat "$OUT/status"))"

reports='Kernel panic|BUG:|Oops|WARNING:|general protection|KASAN:|KCSAN:|UBSAN:'
reports="$reports|soft lockup|hard LOCKUP|blocked for more than|rcu.*(INFO|starved)"
reports="$reports|circular locking|recursive locking|inconsistent lock|refcount_t:"
reports="$reports|sleeping function called|list_(add|del) corruption|unreferenced object"
reports="$reports|ODEBUG:|suspicious RCU|workqueue lockup|non-static key"
grep -anE "$reports" "$OUT/console.log" > "$OUT/reports.log" || :
if [ "$OOPS" = 1 ]; then
	# A test has asked for one, which ends its process and nothing else.
	asked_for='BUG: kernel NULL pointer dereference|Oops.*\[#1\]'
	oopses=$(grep -Ec 'Oops.*\[#1\]' "$OUT/reports.log" || :)
	[ "$oopses" = 1 ] || fail "$oopses oopses where a test makes one"
	[ "$(grep -Ec "$asked_for" "$OUT/reports.log")" -le 2 ] || {
		head -20 "$OUT/reports.log"
		fail "more than the oops that a test makes"
	}
	sed -Ei "/$asked_for/d" "$OUT/reports.log"
fi
if [ -n "$KCSAN" ]; then
	# A data race is ours if one of the two functions in its title is. Those of
	# others, and a kernel has many, are counted.
	find "$OBJECTS" -name '*.o' -exec "$NM" {} + | awk 'NF > 2 { print $3 }' > "$OUT/ours"
	[ -s "$OUT/ours" ] || fail "no functions in $OBJECTS, whose races are looked for"
	awk -v others="$OUT/races.log" 'BEGIN { printf "" > others }
		FNR == NR { ours[$1] = 1; next }
		!/KCSAN: data-race in / { print; next }
		{
			title = $0
			sub(/.*KCSAN: data-race in /, "", title)
			mine = title ~ /\[pl_/
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
	fail "the kernel reported a fault of its own"
fi
case $(cat "$OUT/status") in
0) ;;
124|137)
	tail -20 "$OUT/console.log"
	fail "the guest was not done after $TIMEOUT s" ;;
*)
	tail -20 "$OUT/console.log"
	fail "QEMU ended with status $(cat "$OUT/status")" ;;
esac
for program in $PROGRAMS; do
	grep -Eq "^(not )?ok [0-9]+ $program( |\$)" "$OUT/ktap.log" || {
		tail -20 "$OUT/console.log"
		fail "the guest went down before its tests were done ($program)"
	}
done

figure() { sed -n "s/^# coldplug $1: //p" "$OUT/ktap.log"; }
count() { grep -Ec "$1" "$OUT/ktap.log" || :; }
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
	echo "loads made        $(figure loads)"
	echo "requests merged   $(figure merged)"
	echo "laid out in vain  $(figure 'bytes in vain') bytes"
elif [ -n "$(figure seconds)" ]; then
	echo "udev              settled in $(figure seconds) s, $(figure modules) modules"
	echo "                  (this kernel has no MODULE_STATS)"
fi
sed -En 's/^  # hammer: ((requests|loads|merged|kills|problems): .*)/hammer            \1/p' \
	"$OUT/ktap.log"
if [ -n "$KUNIT" ]; then
	kunit=$(sed -n 's/.*# shared_load: \(pass:.*\)/\1/p' "$OUT/console.log")
	echo "KUnit             ${kunit:-did not run}"
fi
if [ -n "$KCSAN" ]; then
	others=$(wc -l < "$OUT/races.log")
	echo "data races        0 in kernel/module, $others elsewhere ($OUT/races.log)"
fi
[ -z "$leaks" ] || echo "leaks             $leaks"
echo "tests             $passed passed, $failed failed, $skipped skipped${TESTS:+ ($TESTS)}"

[ -z "$(names 'not ok')" ] || names 'not ok' | sed 's/^/  failed: /'
[ "$((passed + failed + $(count '^  ok .*# SKIP')))" = "${planned:-none}" ] ||
	fail "${planned:-no} tests were planned, and others were reported"
if [ -n "$KUNIT" ]; then
	case $kunit in
	pass:[1-9]*' fail:0 '*) ;;
	*) fail "KUnit: ${kunit:-the suite did not run} ($OUT/console.log)" ;;
	esac
fi
[ -z "$leaks" ] || fail "memory has been lost: $leaks ($OUT/ktap.log tells where it came from)"
! grep -q '^not ok 1 coldplug' "$OUT/ktap.log" || fail "the coldplug failed"
[ "$passed" -gt 0 ] || fail "no test passed"
! grep -Eq '^  # Totals: pass:0 fail:0 .*skip:[1-9]' "$OUT/ktap.log" ||
	fail "a program has skipped all of its tests: its KTAP says why"

if [ -n "$KNOWN_FAILURES" ]; then
	sed 's/[[:space:]]*#.*//; s/[[:space:]].*//; /^$/d' "$KNOWN_FAILURES" |
		sort > "$OUT/known"
	names 'not ok' > "$OUT/failed"
	diff "$OUT/known" "$OUT/failed" ||
		fail "not what $KNOWN_FAILURES names (<: should have failed, >: should have passed)"
	echo "PASS: exactly the $failed known failures failed"
	exit 0
fi
[ "$failed" -eq 0 ] || fail "$failed tests failed"
for program in $PROGRAMS; do
	grep -Eq "^ok [0-9]+ $program( |\$)" "$OUT/ktap.log" || fail "$program did not end well"
done
echo "PASS"
