// SPDX-License-Identifier: GPL-2.0-only
/*
 * report DIR file...
 *
 * Each file has the output of the guest in one boot, lines "key value", after a line
 * "kernel base" or "kernel patched". This prints the tables and writes DIR/bench.json
 * and DIR/data/ for gnuplot. A figure is the median of the boots that have it.
 */

#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define MAX_BOOTS	64

enum kernel { BASE, PATCHED, NR_KERNELS };

static const char * const kernels[] = { "base", "patched" };

struct values {
	double v[MAX_BOOTS];
	int n;
};

static struct result {
	char key[80];
	struct values of[NR_KERNELS];
} *results;
static int nr_results;

static const int counts[] = { 1, 8, 32, 128, 512 };
static const char * const ways[] = { "init_module", "one_file", "copies" };
static const char * const way_titles[] = {
	"init_module()", "finit_module(), one file", "finit_module(), copies"
};

static const char * const outcomes[] = { "live", "init_fails", "symbol_missing" };
static const char * const outcome_titles[] = {
	"it goes live", "init returns -ENODEV", "a symbol is missing"
};

static const char * const plugs[] = { "init_module", "compressed_file" };
static const char * const plug_titles[] = {
	"kmod 30: init_module()", "finit_module() of the compressed file"
};

static void die(const char *what)
{
	fprintf(stderr, "report: %s: %s\n", what, strerror(errno));
	exit(1);
}

static FILE *create(const char *dir, const char *name)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (!f)
		die(path);
	return f;
}

static struct result *find(const char *key)
{
	for (int i = 0; i < nr_results; i++)
		if (!strcmp(results[i].key, key))
			return &results[i];
	return NULL;
}

static void add(const char *key, enum kernel kernel, double value)
{
	struct result *r = find(key);

	if (!r) {
		results = realloc(results, (nr_results + 1) * sizeof(*results));
		if (!results)
			die(key);
		r = &results[nr_results++];
		memset(r, 0, sizeof(*r));
		snprintf(r->key, sizeof(r->key), "%s", key);
	}
	if (r->of[kernel].n < MAX_BOOTS)
		r->of[kernel].v[r->of[kernel].n++] = value;
}

static void read_boot(const char *path)
{
	char line[256], key[80], word[80], *end;
	int kernel = -1;
	double value;
	FILE *f;

	f = fopen(path, "r");
	if (!f)
		die(path);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%79s %79s", key, word) != 2)
			continue;
		if (!strcmp(key, "kernel"))
			kernel = !strcmp(word, kernels[PATCHED]);
		value = strtod(word, &end);
		if (kernel >= 0 && !*end && strchr(key, '.'))
			add(key, kernel, value);
	}
	fclose(f);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const struct values *of)
{
	return (of->v[(of->n - 1) / 2] + of->v[of->n / 2]) / 2;
}

/* Get the median of a key that printf() makes, or of keys with a '*' the most of all boots. */
__attribute__((format(printf, 3, 4)))
static bool get(enum kernel kernel, double *value, const char *fmt, ...)
{
	bool found = false;
	char key[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(key, sizeof(key), fmt, ap);
	va_end(ap);
	for (int i = 0; i < nr_results; i++) {
		const struct values *of = &results[i].of[kernel];
		double v;

		if (!of->n || fnmatch(key, results[i].key, 0))
			continue;
		v = strchr(key, '*') ? of->v[of->n - 1] : median(of);
		if (!found || v > *value)
			*value = v;
		found = true;
	}
	return found;
}

/* Tables. A dash stands for a figure that was not measured. */

static void cell(bool there, double value, int width)
{
	int digits = value < 0.9995 ? 3 : value < 9.95 ? 2 : value < 99.95 ? 1 : 0;

	if (!there)
		printf(" %*s", width, "-");
	else if (value == (long)value)
		printf(" %*ld", width, (long)value);
	else
		printf(" %*.*f", width, digits, value);
}

static void cells(const char *key, const char *figure, bool ratio, int width)
{
	double v = 0, p = 0;
	bool has_v, has_p;

	has_v = get(BASE, &v, "%s.%s", key, figure);
	has_p = get(PATCHED, &p, "%s.%s", key, figure);
	cell(has_v, v, width);
	cell(has_p, p, width);
	if (ratio)
		cell(has_v && has_p && v > 0, v > 0 ? p / v : 0, 7);
}

static void head(const char *title, const char *first)
{
	printf("\n%s\n%8s  %-23s  %-23s  %-13s  %-13s  %-15s  %-11s\n", title, "",
	       "wall clock, s", "CPU of the host, s", "peak, MiB", "wasted, MiB",
	       "wake-ups", "images");
	printf("%8s %7s %7s %7s  %7s %7s %7s  %6s %6s  %6s %6s  %7s %7s  %5s %5s\n", first,
	       "base", "patched", "ratio", "base", "patched", "ratio", "base", "patch.",
	       "base", "patch.", "base", "patch.", "base", "p.");
}

static void row(const char *first, const char *key)
{
	double v;

	if (!get(BASE, &v, "%s.wall_s", key) && !get(PATCHED, &v, "%s.wall_s", key))
		return;
	printf("%8s", first);
	cells(key, "wall_s", true, 7);
	putchar(' ');
	cells(key, "cpu_s", true, 7);
	putchar(' ');
	cells(key, "peak_mib", false, 6);
	putchar(' ');
	cells(key, "wasted_mib", false, 6);
	putchar(' ');
	cells(key, "wakeups", false, 7);
	putchar(' ');
	cells(key, "images", false, 5);
	putchar('\n');
}

static void print_requests(void)
{
	char title[128], first[16], key[64];

	for (size_t w = 0; w < ARRAY_SIZE(ways); w++) {
		for (size_t o = 0; o < ARRAY_SIZE(outcomes); o++) {
			snprintf(title, sizeof(title),
				 "A module of 8 MiB by %s; %s", way_titles[w],
				 outcome_titles[o]);
			head(title, "requests");
			for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
				snprintf(first, sizeof(first), "%d", counts[i]);
				snprintf(key, sizeof(key), "requests.%s.%s.%d",
					 ways[w], outcomes[o], counts[i]);
				row(first, key);
			}
		}
	}
	head("447 requests for each of 20 modules of 256 KiB by init_module()", "requests");
	row("8940", "storm.init_module.8940");
	row("20", "storm.init_module.20");
	head("The same by finit_module(), one file for each module", "requests");
	row("8940", "storm.one_file.8940");
	row("20", "storm.one_file.20");
}

static const char * const room_rows[][2] = {
	{ "requests that failed with ENOMEM", "enomem" },
	{ "requests killed for want of memory", "killed" },
	{ "messages about it in the log (rate-limited)", "no_room_messages" },
	{ "loads of 8 other modules at that time", "other_loads" },
	{ "of these, failed with ENOMEM", "other_enomem" },
	{ "peak, MiB", "peak_mib" },
};

static void print_room(void)
{
	printf("\nMemory for modules: 128 requests for a module of 108 MiB\n%-48s %7s %7s\n",
	       "", "base", "patched");
	for (size_t i = 0; i < ARRAY_SIZE(room_rows); i++) {
		printf("%-48s", room_rows[i][0]);
		cells("room", room_rows[i][1], false, 7);
		putchar('\n');
	}
}

static void print_coldplug(void)
{
	char key[80];
	double v;

	printf("\n%-46s  %-23s  %-13s  %-11s  %-17s\n", "udev coldplug", "settled in, s",
	       "requests", "loads", "wasted, MiB");
	printf("%-38s %7s %7s %7s %7s  %6s %6s  %5s %5s  %8s %8s\n", "", "CPUs", "base",
	       "patched", "ratio", "base", "patch.", "base", "p.", "base", "patch.");
	for (size_t w = 0; w < ARRAY_SIZE(plugs); w++) {
		for (int cpus = 1; cpus < 256; cpus++) {
			snprintf(key, sizeof(key), "coldplug.%s.%d", plugs[w], cpus);
			if (!get(BASE, &v, "%s.settle_s", key) &&
			    !get(PATCHED, &v, "%s.settle_s", key))
				continue;
			printf("%-38s %7d", plug_titles[w], cpus);
			cells(key, "settle_s", true, 7);
			putchar(' ');
			cells(key, "requests", false, 6);
			putchar(' ');
			cells(key, "loads", false, 5);
			putchar(' ');
			cells(key, "wasted_mib", false, 8);
			putchar('\n');
		}
	}
}

static void print_debian(void)
{
	static const char * const kmods[] = { "30", "34" };
	char key[80];
	double v;

	for (int storm = 0; storm < 2; storm++) {
		const char *figure = storm ? "storm_s" : "settle_s";

		if (storm)
			printf("\nA module that matches each CPU and fails with -ENODEV\n"
			       "%4s %5s  %-23s  %-15s  %-15s\n", "", "",
			       "until udev settles, s", "requests", "calls of init");
		else
			printf("\nA stock Debian\n%4s %5s  %-23s  %-23s  %-15s  %-15s  %-15s\n",
			       "", "", "user space, s", "udev settled, s", "requests",
			       "of these EBUSY", "loads");
		printf("%4s %5s", "kmod", "CPUs");
		if (!storm)
			printf("  %7s %7s %7s", "base", "patched", "ratio");
		printf("  %7s %7s %7s", "base", "patched", "ratio");
		for (int i = storm; i < 3; i++)
			printf("  %7s %7s", "base", "patched");
		putchar('\n');
		for (int row = 0; row < 2 * 256; row++) {
			snprintf(key, sizeof(key), "debian.kmod%s.%d", kmods[row / 256], row % 256);
			if (!get(BASE, &v, "%s.%s", key, figure) &&
			    !get(PATCHED, &v, "%s.%s", key, figure))
				continue;
			printf("%4s %5d ", kmods[row / 256], row % 256);
			if (storm) {
				cells(key, "storm_s", true, 7);
				putchar(' ');
				cells(key, "storm_requests", false, 7);
				putchar(' ');
				cells(key, "storm_inits", false, 7);
			} else {
				cells(key, "user_s", true, 7);
				putchar(' ');
				cells(key, "settle_s", true, 7);
				putchar(' ');
				cells(key, "requests", false, 7);
				putchar(' ');
				cells(key, "ebusy", false, 7);
				putchar(' ');
				cells(key, "loads", false, 7);
			}
			putchar('\n');
		}
	}
}

static void print_instructions(void)
{
	static const char * const modules[] = { "bench_tiny", "bench_mid" };
	static const char * const titles[] = { "4 KiB", "256 KiB" };
	static const char * const parts[] = { "load", "unload", "both" };
	static const int owners[] = { 0, 500, 10000 };
	double v = 0, p = 0;

	printf("\n%-48s %9s %9s %8s\n", "Instructions of one load without waiters",
	       "base", "patched", "ratio");
	for (size_t m = 0; m < ARRAY_SIZE(modules); m++) {
		for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
			if (!get(BASE, &v, "instructions.%s.%s", modules[m], parts[i]) ||
			    !get(PATCHED, &p, "instructions.%s.%s", modules[m], parts[i]))
				continue;
			printf("%-7s %-40s %9.0f %9.0f %8.4f\n", titles[m], parts[i], v, p, p / v);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++)
		if (get(BASE, &v, "owners.%d.both", owners[i]) &&
		    get(PATCHED, &p, "owners.%d.both", owners[i]))
			printf("4 KiB   a file, %5d other requests wait %9s%9.0f %9.0f %8.4f\n",
			       owners[i], "", v, p, p / v);
}

/*
 * Limits of the patched kernel. With @over, the figure is divided by that one of the same
 * kernel. With @of_base, the limit is about the ratio of patched to base.
 */
static const struct {
	const char *title, *key, *over;
	double most;
	bool of_base;
} limits[] = {
	{ "load and unload of 4 KiB without waiters, instructions",
	  "instructions.bench_tiny.both", NULL, 1.004, true },
	{ "the same, 256 KiB", "instructions.bench_mid.both", NULL, 1.004, true },
	{ "4 KiB from a file, 500 other requests wait, instructions", "owners.500.both",
	  NULL, 1, true },
	{ "the same, 10,000", "owners.10000.both", NULL, 1, true },
	{ "128 requests for one file against 1, live, wall clock",
	  "requests.one_file.live.128.wall_s", "requests.one_file.live.1.wall_s", 1.5, false },
	{ "the same, init returns -ENODEV", "requests.one_file.init_fails.128.wall_s",
	  "requests.one_file.init_fails.1.wall_s", 1.5, false },
	{ "the same, a symbol is missing", "requests.one_file.symbol_missing.128.wall_s",
	  "requests.one_file.symbol_missing.1.wall_s", 1.5, false },
	{ "128 requests for 8 MiB, any way, live: allocations",
	  "requests.*.live.128.allocations", NULL, 1, false },
	{ "  init returns -ENODEV: allocations",
	  "requests.*.init_fails.128.allocations", NULL, 1, false },
	{ "  a symbol is missing: allocations",
	  "requests.*.symbol_missing.128.allocations", NULL, 1, false },
	{ "  calls of init", "requests.*.128.inits", NULL, 1, false },
	{ "  different errnos", "requests.*.128.errnos", NULL, 1, false },
	{ "  images read or copied", "requests.*.128.images", NULL, 1, true },
	{ "  by init_module(), live, wall clock, s", "requests.init_module.live.128.wall_s",
	  NULL, 1, true },
	{ "128 init_module() for 4 KiB against 1, a symbol is missing, wall",
	  "small.init_module.symbol_missing.128.wall_s",
	  "small.init_module.symbol_missing.1.wall_s", 3, false },
	{ "the same, finit_module(), one file", "small.one_file.symbol_missing.128.wall_s",
	  "small.one_file.symbol_missing.1.wall_s", 3, false },
	{ "the same, finit_module(), copies", "small.copies.symbol_missing.128.wall_s",
	  "small.copies.symbol_missing.1.wall_s", 3, false },
	{ "the same, any way: loads, one of them for late requests",
	  "small.*.128.loads", NULL, 2, false },
	{ "wake-ups of each of 64 waiters that differ, any way", "waiters.*.64.wakeups_each",
	  NULL, 2, false },
	{ "the same, 512 waiters", "waiters.*.512.wakeups_each", NULL, 2, false },
	{ "512 init_module() against 128, live, wall clock",
	  "requests.init_module.live.512.wall_s", "requests.init_module.live.128.wall_s",
	  4, false },
	{ "20 x 447 requests by init_module(), CPU, s", "storm.init_module.8940.cpu_s",
	  NULL, 1, true },
	{ "20 x 447 requests for one file each, CPU, s", "storm.one_file.8940.cpu_s",
	  NULL, 1, true },
	{ "128 requests for 108 MiB: failed with ENOMEM", "room.enomem", NULL, 0, false },
	{ "  loads of other modules that failed with ENOMEM", "room.other_enomem",
	  NULL, 0, false },
	{ "udev coldplug by kmod 30: module memory wasted, MiB",
	  "coldplug.init_module.*.wasted_mib", NULL, 0, false },
};

static void print_limits(void)
{
	printf("\n%-64s %8s %8s %7s  %s\n", "Limits", "base", "patched", "ratio", "at most");
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		double v[NR_KERNELS] = {}, over[NR_KERNELS] = { 1, 1 }, of_base, p;
		bool has[NR_KERNELS], ratio;

		printf("%-64s", limits[i].title);
		for (int k = 0; k < NR_KERNELS; k++) {
			has[k] = get(k, &v[k], "%s", limits[i].key) &&
				 (!limits[i].over || get(k, &over[k], "%s", limits[i].over));
			v[k] /= over[k];
			cell(has[k], v[k], 8);
		}
		ratio = has[BASE] && has[PATCHED] && v[BASE] > 0;
		of_base = ratio ? v[PATCHED] / v[BASE] : 0;
		if (ratio)
			printf(" %7.4f", of_base);
		else
			printf(" %7s", "-");
		p = limits[i].of_base ? of_base : v[PATCHED];
		printf("  %g%s%s\n", limits[i].most, limits[i].of_base ? " (ratio)" : "",
		       has[PATCHED] && p > limits[i].most ? ", missed" : "");
	}
}

/* For machines */

static void write_json(const char *dir)
{
	FILE *f = create(dir, "bench.json");

	fprintf(f, "{\n");
	for (int i = 0; i < nr_results; i++) {
		const struct result *r = &results[i];

		fprintf(f, "  \"%s\": {", r->key);
		for (int k = 0; k < NR_KERNELS; k++) {
			const struct values *of = &r->of[k];

			if (!of->n)
				continue;
			fprintf(f, "%s\"%s\": {\"median\": %.9g, \"min\": %.9g, ",
				k && r->of[BASE].n ? ", " : "", kernels[k], median(of),
				of->v[0]);
			fprintf(f, "\"max\": %.9g, \"boots\": %d}", of->v[of->n - 1], of->n);
		}
		if (r->of[BASE].n && r->of[PATCHED].n && median(&r->of[BASE]))
			fprintf(f, ", \"ratio\": %.6g",
				median(&r->of[PATCHED]) / median(&r->of[BASE]));
		fprintf(f, "}%s\n", i + 1 < nr_results ? "," : "");
	}
	fprintf(f, "}\n");
	fclose(f);
}

static void data(FILE *f, const char *key, const char *figure)
{
	char name[128];
	struct result *r;

	snprintf(name, sizeof(name), "%s.%s", key, figure);
	r = find(name);
	for (int k = 0; k < NR_KERNELS; k++) {
		const struct values *of = r ? &r->of[k] : NULL;

		if (of && of->n)
			fprintf(f, " %.9g %.9g %.9g", median(of), of->v[0], of->v[of->n - 1]);
		else
			fprintf(f, " nan nan nan");
	}
}

/* Columns: CPUs, then median, minimum and maximum of base, and of patched. */
static void write_settled(const char *dir, const char *name, const char *prefix)
{
	FILE *f = create(dir, name);
	char key[80];

	for (int cpus = 1; cpus < 256; cpus++) {
		snprintf(key, sizeof(key), "%s.%d.settle_s", prefix, cpus);
		if (!find(key))
			continue;
		snprintf(key, sizeof(key), "%s.%d", prefix, cpus);
		fprintf(f, "%d", cpus);
		data(f, key, "settle_s");
		fputc('\n', f);
	}
	fclose(f);
}

/* Columns: requests, then median, minimum and maximum of base, and of patched. */
static void write_data(const char *dir)
{
	static const char * const figures[] = { "wall_s", "cpu_s", "wasted_mib" };
	char name[128], key[80];
	FILE *f;

	for (size_t w = 0; w < ARRAY_SIZE(ways); w++) {
		for (size_t o = 0; o < ARRAY_SIZE(outcomes); o++) {
			for (size_t i = 0; i < ARRAY_SIZE(figures); i++) {
				snprintf(name, sizeof(name), "data/%s-%s-%s", ways[w],
					 outcomes[o], figures[i]);
				f = create(dir, name);
				for (size_t n = 0; n < ARRAY_SIZE(counts); n++) {
					snprintf(key, sizeof(key), "requests.%s.%s.%d",
						 ways[w], outcomes[o], counts[n]);
					fprintf(f, "%d", counts[n]);
					data(f, key, figures[i]);
					fputc('\n', f);
				}
				fclose(f);
			}
		}
	}
	for (size_t w = 0; w < ARRAY_SIZE(plugs); w++) {
		snprintf(name, sizeof(name), "data/coldplug-%s", plugs[w]);
		snprintf(key, sizeof(key), "coldplug.%s", plugs[w]);
		write_settled(dir, name, key);
	}
}

static void print_spread(void)
{
	double spread, worst = 0;
	const char *where = NULL;
	int boots = 0;

	for (int i = 0; i < nr_results; i++) {
		const struct result *r = &results[i];

		if (!strstr(r->key, ".wall_s") && !strstr(r->key, ".settle_s"))
			continue;
		for (int k = 0; k < NR_KERNELS; k++) {
			const struct values *of = &r->of[k];

			if (of->n > boots)
				boots = of->n;
			if (of->n < 2 || median(of) <= 0)
				continue;
			spread = (of->v[of->n - 1] - of->v[0]) / median(of);
			if (spread > worst) {
				worst = spread;
				where = r->key;
			}
		}
	}
	printf("\nMedians of %d boot(s) of each kernel.", boots);
	if (where)
		printf(" Times vary by up to %.0f%% of the median (%s).",
		       worst * 100, where);
	printf(" All figures: bench.json.\n");
}

int main(int argc, char *argv[])
{
	double v;

	if (argc < 3) {
		fprintf(stderr, "report DIR file...\n");
		return 1;
	}
	for (int i = 2; i < argc; i++)
		read_boot(argv[i]);
	for (int i = 0; i < nr_results; i++)
		for (int k = 0; k < NR_KERNELS; k++)
			qsort(results[i].of[k].v, results[i].of[k].n, sizeof(double), by_value);
	if (get(BASE, &v, "debian.*")) {
		print_debian();
		write_settled(argv[1], "data/debian-kmod30", "debian.kmod30");
		write_settled(argv[1], "data/debian-kmod34", "debian.kmod34");
	} else {
		print_requests();
		print_room();
		print_coldplug();
		print_instructions();
		print_limits();
		write_data(argv[1]);
	}
	print_spread();
	write_json(argv[1]);
	return 0;
}
