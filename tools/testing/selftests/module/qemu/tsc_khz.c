// SPDX-License-Identifier: GPL-2.0-only
/*
 * Print the frequency of this machine's time-stamp counter in kHz, measured by the clock
 * of its kernel. Fail on a machine that is not an x86_64, because QEMU emulates the counter
 * differently there.
 */

#include <stdint.h>
#include <stdio.h>
#include <time.h>

#ifdef __x86_64__

struct moment {
	uint64_t ticks;
	int64_t ns;
};

/* Read both clocks many times. Return the reading that took the least time. */
static struct moment now(void)
{
	uint64_t least = UINT64_MAX;
	struct moment best = { 0 };
	struct timespec t;

	for (int i = 0; i < 100; i++) {
		uint64_t before = __builtin_ia32_rdtsc(), after;

		clock_gettime(CLOCK_MONOTONIC_RAW, &t);
		after = __builtin_ia32_rdtsc();
		if (after - before >= least)
			continue;
		least = after - before;
		best.ticks = before + least / 2;
		best.ns = t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
	}
	return best;
}

int main(void)
{
	const struct timespec interval = { .tv_nsec = 200 * 1000 * 1000 };
	struct moment first, last;

	first = now();
	nanosleep(&interval, NULL);
	last = now();
	printf("%.0f\n", 1e6 * (double)(last.ticks - first.ticks) / (double)(last.ns - first.ns));
	return 0;
}

#else

int main(void)
{
	return 1;
}

#endif
