// SPDX-License-Identifier: GPL-2.0-only
/*
 * Measure concurrent requests for a module on this machine. The module is bench_measure.c,
 * padded to a size. Signals that end a program are blocked here and in the requests, so that
 * none ends it while the module is loaded. look_at_requests() receives them.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "requests.h"

#define NAME		"bench_measure"
#define MARK		"pad of measure"
#define AREA_MIB	512	/* half of what x86-64 has for modules */

/* Fail without the text of an errno. */
#define fail(...)	do { errno = 0; die(__VA_ARGS__); } while (0)

enum { SIZE, REQUESTS, ROUNDS, WAYS, JSON, YES, HELP, NR_OPTIONS };

static const struct option options[] = {
	{ "size", 1, NULL, SIZE }, { "requests", 1, NULL, REQUESTS },
	{ "rounds", 1, NULL, ROUNDS }, { "ways", 1, NULL, WAYS }, { "json", 1, NULL, JSON },
	{ "yes", 0, NULL, YES }, { "help", 0, NULL, HELP }, {}
};

static const char help[] =
"Load a harmless module with many concurrent requests, print what they cost on this machine,\n"
"and remove the module, which is " NAME ".ko beside this program.\n\n"
"  --size MIB        memory of the module (8; less if all requests would need over 512 MiB)\n"
"  --requests LIST   numbers of concurrent requests (1,8,64,... and the number of CPUs)\n"
"  --rounds N        measure N times, print medians (3)\n"
"  --ways LIST       of init_module,one_file,copies; the last two are finit_module() (all)\n"
"  --json FILE       write all figures to FILE, too\n"
"  --yes             do not ask before the start\n";

static char *value[NR_OPTIONS] = { [WAYS] = (char []){ "init_module,one_file,copies" } };
static double mib, alone;
static int rounds = 3, counts[16], nr_counts, all, most, cpus;
static bool ways[NR_WAYS], loaded;	/* by this program, at least once */
static pid_t main_pid;
static sigset_t ending;
static const char *series;	/* the name that report.c has for this kernel */
static struct utsname uts;
static FILE *json, *out;

/* End the requests, and remove the module if it is ours. */
static void clean_up(void)
{
	siginfo_t info;

	for (int i = 0; loaded && i < MAX_REQUESTS; i++)
		/* The PID of a request that has ended can be that of another process. */
		if (shared->slot[i].pid && !waitid(P_PID, shared->slot[i].pid, &info,
						   WEXITED | WNOHANG | WNOWAIT))
			kill(shared->slot[i].pid, SIGKILL);
	/* A request that is killed may load the module first. */
	while (wait(NULL) > 0)
		;
	for (int i = 0; loaded && syscall(SYS_delete_module, NAME, O_NONBLOCK); i++) {
		if (errno == ENOENT)
			break;
		loaded = i < 1000 && (errno == EAGAIN || errno == EBUSY);
		if (!loaded)
			die(NAME " stays loaded, remove it with rmmod " NAME);
		nap(10);
	}
}

void die(const char *fmt, ...)
{
	const char *why = errno ? strerror(errno) : NULL;
	va_list ap;

	fprintf(stderr, "measure: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s%s\n", why ? ": " : "", why ?: "");
	if (getpid() != main_pid)
		_exit(1);
	clean_up();
	exit(1);
}

void begin_measurement(int n)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%8d ...\r", n);
}

void look_at_requests(int n __attribute__((unused)))
{
	const struct timespec now = {};
	int sig = sigtimedwait(&ending, NULL, &now);

	if (sig < 0)
		return;
	fprintf(stderr, "\nmeasure: %s, removing the module\n", strsignal(sig));
	clean_up();
	exit(128 + sig);
}

void end_round(const char *name __attribute__((unused)))
{
	clean_up();
	look_at_requests(0);
}

static double number(const char *option, const char *text, double least, double max)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || !(v >= least && v <= max) || (least == 1 && v != (int)v))
		fail("%s '%s' is not a%s number from %g to %g", option, text,
		     least == 1 ? " whole" : "", least, max);
	return v;
}

static void parse_options(int argc, char *argv[])
{
	int c, way;
	char *word;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			fail("--help lists the options");
		value[c] = optarg ?: "yes";
	}
	if (optind < argc)
		fail("'%s' is no option, --help lists them", argv[optind]);
	if (value[SIZE])
		mib = number("--size", value[SIZE], 0.01, 1024);
	if (value[ROUNDS])
		rounds = number("--rounds", value[ROUNDS], 1, MAX_ROUNDS);
	while ((word = strsep(&value[REQUESTS], ","))) {
		if (nr_counts == ARRAY_SIZE(counts))
			fail("--requests has more than %zu numbers", ARRAY_SIZE(counts));
		counts[nr_counts++] = number("--requests", word, 1, MAX_REQUESTS);
	}
	while ((word = strsep(&value[WAYS], ","))) {
		for (way = 0; way < NR_WAYS && strcmp(word, way_names[way]); way++)
			;
		if (way == NR_WAYS)
			fail("--ways '%s' is none of init_module, one_file, copies", word);
		ways[way] = true;
	}
	if (!nr_counts)
		for (int n = 1; n < cpus * 8; n *= 8)
			counts[nr_counts++] = n < cpus ? n : cpus;
	for (int i = 0; i < nr_counts; all += counts[i++] * rounds)
		most = counts[i] > most ? counts[i] : most;
}

/* Find what would fail before anything is loaded. */
static void check_machine(void)
{
	int fd = open("/sys/module", O_RDONLY | O_CLOEXEC);

	if (geteuid())
		fail("only root can load a module: start it as root, or with sudo");
	/* No module lacks a name. */
	syscall(SYS_delete_module, "", O_NONBLOCK);
	if (errno == ENOSYS)
		fail("this kernel cannot remove modules, so none is loaded");
	if (errno == EPERM)
		fail(has_line("/proc/sys/kernel/modules_disabled", "1") ?
		     "kernel.modules_disabled is 1: no module can be loaded until the next boot" :
		     "root lacks CAP_SYS_MODULE here: start it outside of the container");
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
		die("cannot lock /sys/module, another measure may be running");
	if (!access("/sys/module/" NAME, F_OK))
		fail(NAME " is loaded already, by another program or a run that was killed.\n"
		     "    If nothing uses it, remove it with rmmod " NAME);
}

/* The module is beside this program. One that was built with a size keeps its signature. */
static struct image read_module(void)
{
	char path[4096] = "";
	struct image image;

	if (readlink("/proc/self/exe", path, sizeof(path) - sizeof(NAME ".ko")) > 0)
		strcpy(strrchr(path, '/') + 1, NAME ".ko");
	image = read_image(path);
	image.size = pad_image(&image, MARK, 0);
	if (!image.size)
		fail("%s is not the module that make measure builds", path);
	if (image.size >= PAGE && mib)
		fail("%s was built with %g MiB: leave out --size", path, image.size / MIB);
	mib = image.size >= PAGE ? image.size / MIB : mib;
	for (double size = 8; !mib; size /= 2)
		if (size * most <= AREA_MIB || size < 0.1)
			mib = size;
	pad_image(&image, MARK, mib * MIB);
	snprintf(image.path, sizeof(image.path), "/proc/self/fd/%d", copy_image(&image));
	return image;
}

/* A way must work alone before many requests use it. */
static void try_way(const struct image *image, enum way way)
{
	const char *magic = memmem(image->data, image->len, "\0vermagic=", 10);
	struct slot slot = {};

	load(image->data, image->len, open_module(image, way), way, "", &slot);
	errno = slot.err;
	if (errno == ENOEXEC)
		fail(NAME " was built for %s,\n    and this is %s. Build it for this kernel: make "
		     "measure KBUILD=dir", magic ? magic + 10 : "another kernel", uts.release);
	if (errno == EKEYREJECTED || errno == ENOKEY || errno == EBADMSG || errno == ENOPKG ||
	    (errno == EPERM && has_line("/sys/kernel/security/lockdown", " [")))
		fail("this kernel loads only modules with a signature that it trusts. Build the\n"
		     "    module with its size, make measure SIZE=8, and sign it");
	errno = slot.err;
	if (errno)
		die("the kernel refuses " NAME " of %g MiB, dmesg may have the cause", mib);
	loaded = true;
	clean_up();
}

static void print_plan(void)
{
	double need = 2 * mib * most, free = number_in("/proc/meminfo", "MemAvailable:") / 1024;
	int nr_ways = ways[INIT_MODULE] + ways[ONE_FILE] + ways[COPIES];

	if (need > free / 2)
		fail("%d requests for %g MiB can take %.0f MiB, and %.0f MiB are free:\n"
		     "    use a smaller --size, or fewer --requests", most, mib, need, free);
	series = has_line("/proc/kallsyms", " shared_load_") ? "patched" :
		 has_line("/proc/kallsyms", "sys_init_module") ? "base" : "unknown";
	printf("kernel    %s %s, %d CPUs\nseries    %s\nmodule    " NAME ", %g MiB, does nothing\n"
	       "requests  %d in all, at most %d at once\n"
	       "memory    up to %.0f MiB, half of it for modules\n"
	       "time      about %.0f s, at 10 ms for each MiB of a request\n",
	       uts.release, uts.machine, cpus,
	       *series == 'p' ? "active" : *series == 'b' ? "not active" :
	       "cannot tell, /proc/kallsyms has no functions", mib, all * nr_ways, most, need,
	       nr_ways * (0.5 * nr_counts * rounds + 0.01 * all * mib));
	if (mib * most > AREA_MIB)
		printf("WARNING   memory for modules can run out, so that other modules and BPF\n"
		       "          programs fail to load: a smaller --size avoids that\n");
	printf("The module is removed after each round and at Ctrl-C. No other one is touched.\n"
	       "It taints the kernel until the next boot, as modules do that are built apart.\n");
}

static void print_row(const struct image *image, enum way way, int n)
{
	static double v[NR_FIGURES][MAX_ROUNDS];
	double f[NR_FIGURES], sum[NR_FIGURES] = {};
	char ratio[16] = "-", wasted[16] = "-";

	measure_rounds(rounds, INFINITY, image, way, n, "", v, f);
	for (int i = 0; i < NR_FIGURES; i++) {
		for (int r = 0; r < rounds; r++)
			sum[i] += v[i][r];
		if (json && !isnan(f[i]))
			fprintf(json, ",\n  \"requests.%s.live.%d.%s\": {\"%s\": {"
				"\"median\": %.9g, \"min\": %.9g, \"max\": %.9g}}", way_names[way],
				n, figure_names[i], series, f[i], v[i][0], v[i][rounds - 1]);
	}
	if (n == 1)
		alone = f[WALL];
	if (alone)
		snprintf(ratio, sizeof(ratio), "%.4g", f[WALL] / alone);
	if (!isnan(f[WASTED]))
		snprintf(wasted, sizeof(wasted), "%.4g", f[WASTED]);
	printf("%8d %7.4f %7.4f %7.4f %6s %8.3f %6.0f %6s %5.0f %6.0f %6.0f %5.0f %6.0f %5.0f\n", n,
	       f[WALL], v[WALL][0], v[WALL][rounds - 1], ratio, f[CPU], f[PEAK], wasted, f[INITS],
	       sum[OK], sum[EXIST], sum[BUSY], sum[NOMEM],
	       n * rounds - sum[OK] - sum[EXIST] - sum[BUSY] - sum[NOMEM]);
}

static void print_tables(const struct image *image)
{
	for (int way = 0; way < NR_WAYS; way++) {
		if (!ways[way])
			continue;
		alone = 0;
		try_way(image, way);
		printf("\nA module of %g MiB by %s, rounds: %d\n"
		       "         wall clock, seconds            CPU, s   MiB    MiB"
		       "         results of all rounds\nrequests  median     min     max  ratio"
		       "           peak wasted inits     ok EEXIST EBUSY ENOMEM other\n",
		       mib, way_names[way], rounds);
		for (int i = 0; i < nr_counts; i++)
			print_row(image, way, counts[i]);
	}
}

int main(int argc, char *argv[])
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGALRM };
	struct sigaction old;
	struct image image;
	char *text;
	size_t len;

	main_pid = getpid();
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uname(&uts);
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigemptyset(&ending);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (!sigaction(signals[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaddset(&ending, signals[i]);
	parse_options(argc, argv);
	if (value[HELP])
		return fputs(help, stdout) < 0;
	check_machine();
	image = read_module();
	print_plan();
	if (value[JSON]) {
		out = fopen(value[JSON], "ae");
		json = open_memstream(&text, &len);
		if (!out || !json)
			die("write %s", value[JSON]);
		fprintf(json, "{\n  \"machine\": {\"kernel\": \"%s\", \"cpus\": %d, \"mib\": %g}",
			uts.release, cpus, mib);
	}
	if (!value[YES]) {
		printf("Continue? [y/N] ");
		fflush(stdout);
		if ((getchar() | ' ') != 'y')
			fail("not started; --yes leaves out the question");
	}
	sigprocmask(SIG_BLOCK, &ending, NULL);
	map_requests();
	be_urgent();
	print_tables(&image);
	/* A run that is interrupted leaves the file as it was. */
	if (json && (fprintf(json, "\n}\n") < 0 || fclose(json) || ftruncate(fileno(out), 0) ||
		     fputs(text, out) < 0 || fclose(out)))
		die("write %s", value[JSON]);
	return 0;
}
