// SPDX-License-Identifier: GPL-2.0-only
/*
 * report DIR file...
 *
 * Each file is what the guest told in one boot, lines "key value", behind a line
 * "kernel base" or "kernel patched". Prints the tables and writes DIR/bench.json
 * and DIR/data/ for gnuplot. A figure is the median of the boots that have it.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdarg.h>
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

static const char * const outcomes[] = { "live", "refused" };
static const char * const outcome_titles[] = { "it goes live", "init returns -ENODEV" };
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

/* The median under a key that printf() makes. Is there one? */
__attribute__((format(printf, 3, 4)))
static bool get(enum kernel kernel, double *value, const char *fmt, ...)
{
	struct result *r;
	char key[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(key, sizeof(key), fmt, ap);
	va_end(ap);
	r = find(key);
	if (!r || !r->of[kernel].n)
		return false;
	*value = median(&r->of[kernel]);
	return true;
}

/* Tables. Each cell has its width; what was not measured is a dash. */

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
	       "wall clock, s", "CPU of the host, s", "peak, MiB", "in vain, MiB",
	       "switches", "images");
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
	cells(key, "vain_mib", false, 6);
	putchar(' ');
	cells(key, "switches", false, 7);
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
	head("The storm of 448 CPUs: 447 requests for each of 20 modules of 256 KiB", "requests");
	row("8940", "storm");
	row("20", "storm_alone");
}

static const char * const room_rows[][2] = {
	{ "requests that failed with ENOMEM", "enomem" },
	{ "requests killed for want of memory", "killed" },
	{ "complaints in the kernel's log (rate-limited)", "no_room_messages" },
	{ "laid out in vain, MiB", "vain_mib" },
	{ "loads of 8 other modules at that time", "innocent_tries" },
	{ "of these, failed with ENOMEM", "innocent_enomem" },
	{ "peak, MiB", "peak_mib" },
};

static void print_room(void)
{
	printf("\nThe room for modules: 128 requests for a module of 108 MiB\n%-48s %7s %7s\n",
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
	       "requests", "loads", "in vain, MiB");
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
			cells(key, "vain_mib", false, 8);
			putchar('\n');
		}
	}
}

static void print_instructions(void)
{
	static const char * const modules[] = { "bench_tiny", "bench_mid" };
	static const char * const titles[] = { "4 KiB", "256 KiB" };
	static const char * const parts[] = { "load", "unload", "both" };
	double v = 0, p = 0;

	printf("\n%-48s %9s %9s %8s\n", "Instructions of one load, nobody else about",
	       "base", "patched", "ratio");
	for (size_t m = 0; m < ARRAY_SIZE(modules); m++) {
		for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
			if (!get(BASE, &v, "instructions.%s.%s", modules[m], parts[i]) ||
			    !get(PATCHED, &p, "instructions.%s.%s", modules[m], parts[i]))
				continue;
			printf("%-7s %-40s %9.0f %9.0f %8.4f\n", titles[m], parts[i], v, p, p / v);
		}
	}
}

/* What the patched kernel has to reach, beside what it was measured to do */

/* How many times as much @figure is for @n requests as for @m */
static bool growth(enum kernel kernel, double *value, const char *way, const char *figure,
		   int n, int m)
{
	double a, b;

	if (!get(kernel, &a, "requests.%s.live.%d.%s", way, n, figure) ||
	    !get(kernel, &b, "requests.%s.live.%d.%s", way, m, figure) || b <= 0)
		return false;
	*value = a / b;
	return true;
}

/* The most that any boot, way and number of requests has shown of a figure */
static bool most(enum kernel kernel, double *value, const char *start, const char *end)
{
	bool any = false;

	for (int i = 0; i < nr_results; i++) {
		const struct result *r = &results[i];
		size_t len = strlen(r->key);

		if (strncmp(r->key, start, strlen(start)) || len < strlen(end) ||
		    strcmp(r->key + len - strlen(end), end) || !r->of[kernel].n)
			continue;
		if (!any || r->of[kernel].v[r->of[kernel].n - 1] > *value)
			*value = r->of[kernel].v[r->of[kernel].n - 1];
		any = true;
	}
	return any;
}

static void limit(const char *what, bool has_v, double v, bool has_p, double p,
		  const char *limit)
{
	printf("%-64s", what);
	cell(has_v, v, 8);
	cell(has_p, p, 8);
	printf("  %s\n", limit);
}

static void limit_growth(const char *what, const char *way, const char *figure, int n, int m,
			 const char *text)
{
	double v = 0, p = 0;
	bool a, b;

	a = growth(BASE, &v, way, figure, n, m);
	b = growth(PATCHED, &p, way, figure, n, m);
	limit(what, a, v, b, p, text);
}

static void limit_instructions(const char *what, const char *module)
{
	double v = 0, p = 0;
	char text[64];
	bool a, b;

	a = get(BASE, &v, "instructions.%s.both", module);
	b = get(PATCHED, &p, "instructions.%s.both", module);
	snprintf(text, sizeof(text), "%.0f (1.005 of base)", v * 1.005);
	limit(what, a, v, b, p, a ? text : "1.005 of base");
}

static void print_limits(void)
{
	double v = 0, p = 0, alone = 0;
	char text[64];
	bool a, b;

	printf("\n%-64s %8s %8s  %s\n", "What the patched kernel has to reach", "base",
	       "patched", "limit");
	limit_growth("128 requests by init_module() against 1, wall clock, times",
		     "init_module", "wall_s", 128, 1, "at most 3");
	limit_growth("the same, CPU, times", "init_module", "cpu_s", 128, 1, "at most 4");
	limit_growth("128 by finit_module(), one file, against 1, wall clock, times",
		     "one_file", "wall_s", 128, 1, "no more than base");
	a = get(BASE, &v, "requests.one_file.live.128.wall_s");
	b = get(PATCHED, &p, "requests.one_file.live.128.wall_s");
	limit("  the same, seconds", a, v, b, p, "no more than base");
	limit_growth("512 against 128 by init_module(), wall clock, times",
		     "init_module", "wall_s", 512, 128, "at most 4");

	a = most(BASE, &v, "requests.", ".vain_mib");
	b = most(PATCHED, &p, "requests.", ".vain_mib");
	limit("laid out in vain, any number of requests, MiB", a, v, b, p, "0");

	a = get(BASE, &v, "requests.init_module.live.128.images");
	b = get(PATCHED, &p, "requests.init_module.live.128.images");
	limit("images copied by the other 127, init_module()", a, v - 1, b, p - 1, "0");

	a = get(BASE, &v, "storm.cpu_s");
	b = get(PATCHED, &p, "storm.cpu_s");
	snprintf(text, sizeof(text), "%.1f", v / 10);
	limit("storm of 20 x 447, CPU, s", a, v, b, p,
	      a ? text : "a tenth of base");

	a = a && get(BASE, &alone, "storm_alone.cpu_s");
	v -= alone;
	b = b && get(PATCHED, &alone, "storm_alone.cpu_s");
	p -= alone;
	snprintf(text, sizeof(text), "%.1f", v / 10);
	limit("  without what 20 requests, one for each, take", a, v, b, p,
	      a ? text : "a tenth of base");

	limit_instructions("one load and unload, 4 KiB, nobody else about, instructions",
			   "bench_tiny");
	limit_instructions("the same, 256 KiB", "bench_mid");

	a = get(BASE, &v, "room.enomem");
	b = get(PATCHED, &p, "room.enomem");
	limit("128 requests for 108 MiB: how many failed with ENOMEM", a, v, b, p, "0");
	a = get(BASE, &v, "room.innocent_enomem");
	b = get(PATCHED, &p, "room.innocent_enomem");
	limit("loads of other modules meanwhile that failed with ENOMEM", a, v, b, p, "0");

	a = most(BASE, &v, "coldplug.init_module.", ".vain_mib");
	b = most(PATCHED, &p, "coldplug.init_module.", ".vain_mib");
	limit("udev coldplug by kmod 30, laid out in vain, MiB", a, v, b, p, "0");
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

/* Columns: requests, then median, least and most of base, and of patched. */
static void write_data(const char *dir)
{
	static const char * const figures[] = {
		"wall_s", "cpu_s", "vain_mib"
	};
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
		f = create(dir, name);
		for (int cpus = 1; cpus < 256; cpus++) {
			snprintf(key, sizeof(key), "coldplug.%s.%d.settle_s", plugs[w], cpus);
			if (!find(key))
				continue;
			snprintf(key, sizeof(key), "coldplug.%s.%d", plugs[w], cpus);
			fprintf(f, "%d", cpus);
			data(f, key, "settle_s");
			fputc('\n', f);
		}
		fclose(f);
	}
}

static void print_spread(void)
{
	double spread, worst = 0;
	const char *where = NULL;
	int boots = 0;

	for (int i = 0; i < nr_results; i++) {
		const struct result *r = &results[i];

		if (!strstr(r->key, ".wall_s"))
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
		printf(" Between least and most, the wall clock spreads by up to %.0f%% (%s).",
		       worst * 100, where);
	printf(" All figures: bench.json.\n");
}

int main(int argc, char *argv[])
{
	if (argc < 3) {
		fprintf(stderr, "report DIR file...\n");
		return 1;
	}
	for (int i = 2; i < argc; i++)
		read_boot(argv[i]);
	for (int i = 0; i < nr_results; i++)
		for (int k = 0; k < NR_KERNELS; k++)
			qsort(results[i].of[k].v, results[i].of[k].n, sizeof(double), by_value);
	print_requests();
	print_room();
	print_coldplug();
	print_instructions();
	print_limits();
	print_spread();
	write_json(argv[1]);
	write_data(argv[1]);
	return 0;
}
