// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first process of the benchmark's guest. It measures, prints a line "key value" for
 * each figure on the second serial port, where host.c reads it, and shuts the guest down. The
 * figures of a boot count if its last line is "done 1". The kernel turns the words of its
 * command line that it does not know into environment variables:
 *
 *	BENCH=WHAT	what to measure: see main()
 *	MAX=512		at most so many requests for a module
 *
 * "/init load MODALIAS" replaces modprobe where the kernel decompresses the modules.
 */

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "requests.h"

#define MODULES		"/bench"
#define CALLS		"/run/bench.calls"

/* The storm of a host with 448 CPUs: so many modules, so many requests for each */
#define STORM_MODULES	20
#define STORM_REQUESTS	447
#define ROOM_REQUESTS	128
#define OTHERS		8
#define WIDE_SIZE	(108UL << 20)	/* as in Kbuild */
_Static_assert(STORM_MODULES * STORM_REQUESTS <= MAX_REQUESTS, "MAX_REQUESTS");

#ifndef MODULE_INIT_COMPRESSED_FILE
#define MODULE_INIT_COMPRESSED_FILE	4
#endif

enum outcome { LIVE, INIT_FAILS, SYMBOL_MISSING };

static const char * const outcome_names[] = { "live", "init_fails", "symbol_missing" };

static void __attribute__((noreturn)) shut_down(void)
{
	fflush(NULL);
	sync();
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

void die(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	printf("failed: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(": %s\n", strerror(err));
	if (getpid() != 1)
		_exit(1);
	shut_down();
}

/* Return the CPU time that this guest has used on the host. */
double cpu_seconds(void)
{
	char line[64] = "";

	printf("cpu?\n");
	if (!fgets(line, sizeof(line), stdin))
		die("no answer from the host");
	return strtod(line, NULL);
}

/* Modules */

static struct image read_module(const char *name)
{
	struct image image;
	char path[64];

	snprintf(path, sizeof(path), MODULES "/%s.ko", name);
	image = read_image(path);
	if (!strcmp(name, "bench_wide"))
		image.size = WIDE_SIZE;
	return image;
}

/* Turn an image into that of another module, with a name of the same length. */
static void rename_image(struct image *image, const char *name)
{
	size_t len = strlen(image->name);
	char *at = image->data, *end = image->data + image->len;

	while ((at = memmem(at, end - at, image->name, len)))
		memcpy(at, name, len);
	memcpy(image->name, name, len);
	snprintf(image->path, sizeof(image->path), MODULES "/%s.ko", name);
}

static void free_image(struct image *image)
{
	munmap(image->data, image->len);
}

static void unload(const char *name)
{
	while (syscall(SYS_delete_module, name, O_NONBLOCK) && errno != ENOENT)
		nap(10);
}

/* Many requests at once */

/* Load another module again and again during the measurement. */
static void load_other(int nr)
{
	struct image image = read_module("bench_big");
	char name[32];

	snprintf(name, sizeof(name), "bench_b%02d", nr);
	rename_image(&image, name);
	wait_on(&shared->go);
	while (!__atomic_load_n(&shared->leave, __ATOMIC_ACQUIRE)) {
		__atomic_add_fetch(&shared->other_loads, 1, __ATOMIC_RELAXED);
		if (!syscall(SYS_init_module, image.data, image.len, ""))
			unload(name);
		else if (errno == ENOMEM)
			__atomic_add_fetch(&shared->other_enomem, 1, __ATOMIC_RELAXED);
	}
	_exit(0);
}

static char gate[64];	/* the parameter hold of the module that is held */
static void (*when_all_asleep)(void);	/* called before the gate opens */

/* Start a load whose init function waits until the gate is 0, and fails. */
static void start_held_load(const struct image *image, enum way way)
{
	struct slot slot = {};

	snprintf(gate, sizeof(gate), "/sys/module/%s/parameters/hold", image->name);
	if (!start()) {
		load(image->data, image->len, open_module(image, way), way,
		     "hold=1 ret=-19", &slot);
		wait_on(&shared->leave);
		_exit(0);
	}
	while (access(gate, W_OK))
		nap(10);
	shared->held = true;
}

/* Open the gate if each request sleeps in its system call. Other sleeps there are state D. */
static void try_open_gate(int n)
{
	char path[32], line[128], state;
	FILE *f;

	for (struct slot *slot = shared->slot; slot < shared->slot + n; slot++) {
		if (slot->returned)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/stat", slot->pid);
		f = fopen(path, "re");
		if (!__atomic_load_n(&slot->started, __ATOMIC_ACQUIRE) || !f ||
		    !fgets(line, sizeof(line), f) || sscanf(line, "%*d %*s %c", &state) != 1)
			state = 'R';
		if (f)
			fclose(f);
		if (state != 'S')
			return;
	}
	if (when_all_asleep)
		when_all_asleep();
	write_file(gate, "0");
	shared->held = false;
}

void look_at_requests(int n)
{
	if (shared->held)
		try_open_gate(n);
}

void begin_measurement(int n)
{
	printf("measuring %d\n", n);
}

void end_round(const char *name)
{
	unload(name);
	nap(100);
}

static void print_figure(const char *key, const char *figure, double value)
{
	if (!isnan(value))
		printf("%s.%s %.9g\n", key, figure, value);
}

static void print_figures(const char *key, const double *figures)
{
	for (int i = 0; i < NR_FIGURES; i++)
		print_figure(key, figure_names[i], figures[i]);
}

/* Print medians of several measurements if one is short: these vary most. */
static void measure_cell(const char *what, const struct image *image, enum way way,
			 enum outcome outcome, int n)
{
	static double all[NR_FIGURES][MAX_ROUNDS];
	double figures[NR_FIGURES];
	char key[64];

	measure_rounds(9, 1, image, way, n, outcome == INIT_FAILS ? "ret=-19" : "", all, figures);
	snprintf(key, sizeof(key), "%s.%s.%s.%d", what, way_names[way], outcome_names[outcome], n);
	print_figures(key, figures);
}

/* An emulator is slow when it sees code for the first time. */
static void warm_up(const struct image *image, enum way way)
{
	double figures[NR_FIGURES];

	begin();
	add_requests(0, image, way, 8, "");
	measure(8, image, figures);
	unload(image->name);
}

static void measure_requests(int max)
{
	static const int counts[] = { 1, 8, 32, 128, 512 };
	struct image image = read_module("bench_big"), bad = read_module("bench_bigbad");
	enum outcome outcome;
	enum way way;
	size_t i;

	be_urgent();
	for (way = INIT_MODULE; way <= COPIES; way++) {
		warm_up(&image, way);
		warm_up(&bad, way);
	}
	for (i = 0; i < ARRAY_SIZE(counts) && counts[i] <= max; i++)
		for (way = INIT_MODULE; way <= COPIES; way++)
			for (outcome = LIVE; outcome <= SYMBOL_MISSING; outcome++)
				measure_cell("requests", outcome == SYMBOL_MISSING ? &bad : &image,
					     way, outcome, counts[i]);
}

/* Requests with different parameters sleep before the load fails, so each loads in turn. */
static void measure_waiters(const struct image *image, enum way way, int n)
{
	double figures[NR_FIGURES], alone;
	char key[64], params[32];

	warm_up(image, way);
	begin();
	add_requests(0, image, way, 1, "ret=-19");
	measure(1, image, figures);
	alone = figures[WAKEUPS];

	begin();
	start_held_load(image, way);
	for (int i = 0; i < n; i++) {
		snprintf(params, sizeof(params), "ret=-19 nr=%d", i);
		add_requests(i, image, way, 1, params);
	}
	measure(n, image, figures);
	/* A request that loads a module also sleeps there until an RCU grace period ends. */
	figures[WAKEUPS] -= figures[INITS] * alone;
	snprintf(key, sizeof(key), "waiters.%s.%d", way_names[way], n);
	print_figures(key, figures);
	print_figure(key, "wakeups_each", figures[WAKEUPS] / n);
}

static void measure_failures(int max)
{
	struct image mid = read_module("bench_mid"), bad = read_module("bench_bad");
	enum way way;

	be_urgent();
	for (way = INIT_MODULE; way <= COPIES; way++) {
		warm_up(&bad, way);
		measure_cell("small", &bad, way, SYMBOL_MISSING, 1);
		measure_cell("small", &bad, way, SYMBOL_MISSING, 128);
		measure_waiters(&mid, way, 64);
		if (max >= 512)
			measure_waiters(&mid, way, 512);
	}
}

/* So many requests for each of the modules, all at once. Nothing stays loaded. */
static void storm(int requests, enum way way, bool print)
{
	double figures[NR_FIGURES];
	char name[32], key[64];
	struct image image;
	int i, fd;

	begin();
	for (i = 0; i < STORM_MODULES; i++) {
		image = read_module("bench_mid");
		snprintf(name, sizeof(name), "bench_m%02d", i);
		rename_image(&image, name);
		fd = open(image.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			die("create %s", image.path);
		write_image(&image, fd);
		close(fd);
		add_requests(i * requests, &image, way, requests, "");
		/* The next process to be forked needs no copy of this. */
		free_image(&image);
	}
	measure(STORM_MODULES * requests, &image, figures);
	snprintf(key, sizeof(key), "storm.%s.%d", way_names[way], STORM_MODULES * requests);
	if (print)
		print_figures(key, figures);
	for (i = 0; i < STORM_MODULES; i++) {
		snprintf(name, sizeof(name), "bench_m%02d", i);
		unload(name);
	}
}

static void measure_storm(void)
{
	be_urgent();
	for (enum way way = INIT_MODULE; way <= ONE_FILE; way++) {
		storm(1, way, false);	/* see warm_up() */
		storm(STORM_REQUESTS, way, true);
		/* The cost of the loads alone, without waiters. */
		storm(1, way, true);
	}
}

/* Requests for a module so large that there is no room for all of them at a time */
static void measure_room(void)
{
	struct image image = read_module("bench_wide");
	double figures[NR_FIGURES];
	int i;

	be_urgent();
	begin();
	add_requests(0, &image, INIT_MODULE, ROOM_REQUESTS, "");
	for (i = 0; i < OTHERS; i++)
		if (!start())
			load_other(i);
	measure(ROOM_REQUESTS, &image, figures);
	/* These count the other modules, too. */
	figures[ALLOCATIONS] = figures[IMAGES] = figures[LOADS] = figures[INITS] = NAN;
	print_figures("room", figures);
	printf("room.other_loads %d\n", shared->other_loads);
	printf("room.other_enomem %d\n", shared->other_enomem);
}

/*
 * One load and removal, counted by a clock that advances by 1 ns with each instruction (QEMU's
 * -icount), and only while this task runs. Report the least: other loads contain timer
 * interrupts, and on 7.3 every second one fills a huge page for modules.
 */
static void count_instructions(const char *name, enum way way, size_t n, const char *key)
{
	static const char * const parts[] = { "load", "unload", "both" };
	static double counts[ARRAY_SIZE(parts)][101];
	struct image image = read_module(name);
	int fd = open_module(&image, way);

	for (size_t i = 0; i < n; i++) {
		double t0, t1, t2;

		t0 = seconds(CLOCK_PROCESS_CPUTIME_ID);
		if (way == INIT_MODULE ? syscall(SYS_init_module, image.data, image.len, "") :
					 syscall(SYS_finit_module, fd, "", 0))
			die("load %s", name);
		t1 = seconds(CLOCK_PROCESS_CPUTIME_ID);
		if (syscall(SYS_delete_module, name, O_NONBLOCK))
			die("delete_module %s", name);
		t2 = seconds(CLOCK_PROCESS_CPUTIME_ID);
		counts[0][i] = (t1 - t0) * 1e9;
		counts[1][i] = (t2 - t1) * 1e9;
		counts[2][i] = (t2 - t0) * 1e9;
	}
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		qsort(counts[i], n, sizeof(counts[i][0]), by_value);
		printf("%s.%s %.0f\n", key, parts[i], counts[i][0]);
	}
	close(fd);
	free_image(&image);
}

static int nr_owners;

static void count_with_owners(void)
{
	char key[64];

	snprintf(key, sizeof(key), "owners.%d", nr_owners);
	count_instructions("bench_tiny", ONE_FILE, 11, key);
}

/*
 * The same while so many requests for copies of another module wait for its load. On the patched
 * kernel each owns its file, and a request for a file looks at all of them.
 */
static void measure_owners(int n)
{
	struct image image = read_module("bench_held");
	double figures[NR_FIGURES];

	nr_owners = n;
	when_all_asleep = count_with_owners;
	begin();
	start_held_load(&image, COPIES);
	add_requests(0, &image, COPIES, n, "");
	measure(n, &image, figures);
	unload(image.name);
	free_image(&image);
}

/* Coldplug */

static bool run(const char *path, const char *arg1, const char *arg2, const char *arg3)
{
	static char * const env[] = { "PATH=/usr/sbin:/usr/bin", NULL };
	char * const argv[] = {
		(char *)path, (char *)arg1, (char *)arg2, (char *)arg3, NULL
	};
	pid_t dead, pid = start();
	int status;

	if (!pid) {
		/* Their output is no figure. */
		dup2(open("/dev/console", O_WRONLY), STDOUT_FILENO);
		dup2(STDOUT_FILENO, STDERR_FILENO);
		execve(path, argv, env);
		_exit(127);
	}
	while ((dead = wait(&status)) != pid)
		if (dead < 0)
			die("wait for %s", path);
	return !status;
}

static int unload_all(void)
{
	char line[512], name[64];
	bool progress;
	int left;
	FILE *f;

	do {
		progress = false;
		left = 0;
		f = fopen("/proc/modules", "re");
		while (f && fgets(line, sizeof(line), f)) {
			if (sscanf(line, "%63s", name) != 1)
				continue;
			left++;
			progress |= !syscall(SYS_delete_module, name, O_NONBLOCK);
		}
		if (f)
			fclose(f);
	} while (progress);
	return left;
}

static void coldplug(const char *way)
{
	struct stats before = read_stats(), after;
	char key[64];
	struct stat st;
	double begin;
	bool ok;

	write_file(CALLS, "");
	begin = seconds(CLOCK_MONOTONIC);
	ok = run("/lib/systemd/systemd-udevd", "--daemon", NULL, NULL) &&
	     run("/bin/udevadm", "trigger", "--type=all", "--action=add") &&
	     run("/bin/udevadm", "settle", "--timeout=1200", NULL);
	snprintf(key, sizeof(key), "coldplug.%s.%ld", way, sysconf(_SC_NPROCESSORS_ONLN));
	print_figure(key, "settle_s", seconds(CLOCK_MONOTONIC) - begin);
	after = read_stats();
	if (!ok || !run("/bin/udevadm", "control", "--exit", "--timeout=60"))
		die("udev failed");
	/* The kernel does not count a request that returns before it reads its file. */
	stat(CALLS, &st);
	print_figure(key, "requests", st.st_size ? (double)st.st_size :
		     after.live + after.failed - before.live - before.failed);
	print_figure(key, "loads", after.live - before.live);
	print_figure(key, "wasted_mib", (after.kmod_bytes - before.kmod_bytes) / MIB);
	print_figure(key, "wasted_images_mib", (after.copied_bytes - before.copied_bytes) / MIB);
	if (after.live == before.live)
		die("the coldplug loaded nothing");
}

static void measure_coldplug(void)
{
	static const char rules[] =
		"ACTION==\"add\", ENV{MODALIAS}==\"?*\", "
		"RUN+=\"/init load $env{MODALIAS}\"\n";

	/* kmod 30 decompresses by itself and calls init_module(). */
	coldplug("init_module");
	if (unload_all())
		die("modules stay loaded");
	write_file("/etc/udev/rules.d/80-drivers.rules", rules);
	coldplug("compressed_file");
}

/* "/init load MODALIAS": modprobe, but the kernel reads the file */

static FILE *open_list(const char *name)
{
	struct utsname u;
	char path[256];

	uname(&u);
	snprintf(path, sizeof(path), "/lib/modules/%s/%s", u.release, name);
	return fopen(path, "re");
}

static bool is_live(const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "/sys/module/%s/initstate", name);
	return has_line(path, "live\n");
}

/* kernel/a-b.ko.xz is module a_b */
static void module_name(const char *path, char *name, size_t size)
{
	const char *base = strrchr(path, '/');

	snprintf(name, size, "%s", base ? base + 1 : path);
	name[strcspn(name, ".:\n")] = '\0';
	for (; *name; name++)
		if (*name == '-')
			*name = '_';
}

static void load_file(const char *file)
{
	char name[128], path[512];
	struct utsname u;
	int fd, calls;

	module_name(file, name, sizeof(name));
	if (is_live(name))
		return;
	uname(&u);
	snprintf(path, sizeof(path), "/lib/modules/%s/%s", u.release, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	calls = open(CALLS, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0 || calls < 0 || write(calls, ".", 1) != 1)
		return;
	syscall(SYS_finit_module, fd, "",
		strstr(file, ".ko.") ? MODULE_INIT_COMPRESSED_FILE : 0);
	close(fd);
	close(calls);
}

/* A line of modules.dep has the module, a colon, and what to load before, in reverse order. */
static void load_with_dependencies(const char *wanted)
{
	char *line = NULL, *word[64], *save, name[128];
	size_t size = 0;
	FILE *f;

	f = open_list("modules.dep");
	while (f && getline(&line, &size, f) > 0) {
		size_t colon = strcspn(line, ":");
		unsigned int n = 0;

		line[colon] = '\0';
		module_name(line, name, sizeof(name));
		if (strcmp(name, wanted))
			continue;
		line[colon] = ':';
		for (char *w = strtok_r(line, ": \n", &save);
		     w && n < ARRAY_SIZE(word); w = strtok_r(NULL, ": \n", &save))
			word[n++] = w;
		while (n)
			load_file(word[--n]);
		break;
	}
	if (f)
		fclose(f);
	free(line);
}

static int load_by_alias(const char *modalias)
{
	char *line = NULL, pattern[512], name[128];
	size_t size = 0;
	FILE *f;

	f = open_list("modules.alias");
	while (f && getline(&line, &size, f) > 0)
		if (sscanf(line, "alias %511s %127s", pattern, name) == 2 &&
		    !fnmatch(pattern, modalias, 0))
			load_with_dependencies(name);
	free(line);
	return 0;
}

static void mount_one(const char *type, const char *where)
{
	mkdir(where, 0755);
	if (mount(type, where, type, 0, NULL) && errno != EBUSY)
		die("mount %s on %s", type, where);
}

static void talk_on_second_serial_port(void)
{
	struct termios t;
	int fd = open("/dev/ttyS1", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		die("open /dev/ttyS1");
	/* The host must not read its own lines. */
	if (tcgetattr(fd, &t))
		die("tcgetattr");
	cfmakeraw(&t);
	tcsetattr(fd, TCSANOW, &t);
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

int main(int argc, char *argv[])
{
	const char *what, *opt;
	int max;

	if (argc == 3 && !strcmp(argv[1], "load"))
		return load_by_alias(argv[2]);

	mount_one("devtmpfs", "/dev");
	mount_one("proc", "/proc");
	mount_one("sysfs", "/sys");
	mount_one("tmpfs", "/tmp");
	mount_one("tmpfs", "/run");
	mount_one("debugfs", "/sys/kernel/debug");
	talk_on_second_serial_port();
	map_requests();
	what = getenv("BENCH") ?: "";
	opt = getenv("MAX");
	max = opt ? atoi(opt) : 512;
	if (!strcmp(what, "instructions")) {
		count_instructions("bench_tiny", INIT_MODULE, 101, "instructions.bench_tiny");
		count_instructions("bench_mid", INIT_MODULE, 101, "instructions.bench_mid");
	} else if (!strcmp(what, "owners")) {
		count_with_owners();
		measure_owners(500);
		if (max >= 512)
			measure_owners(MAX_REQUESTS);
	} else if (!strcmp(what, "requests")) {
		measure_requests(max);
	} else if (!strcmp(what, "failures")) {
		measure_failures(max);
	} else if (!strcmp(what, "storm")) {
		measure_storm();
	} else if (!strcmp(what, "room")) {
		measure_room();
	} else if (!strcmp(what, "coldplug")) {
		measure_coldplug();
	} else {
		errno = EINVAL;
		die("BENCH=%s", what);
	}
	printf("done 1\n");
	shut_down();
}
