// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first process of the test guest. It runs a coldplug if the guest has udev, runs the
 * selftests, prints KTAP on the second serial port, and shuts the guest down. The first
 * serial port is the console of the kernel.
 *
 * Kernel command line:
 *	control=WHAT	break the guest, see break_guest()
 *	programs=NAMES	selftests to run, separated by commas
 *	tests=ARGS	arguments of the last selftest, separated by commas
 *	ktap=DEVICE	print KTAP there. Default: /dev/ttyS1
 *	leaks=no	do not scan for memory leaks, because a task that dies leaves some
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SELFTESTS	"/selftest"
#define MOD_STATS	"/sys/kernel/debug/modules/stats"
#define LEAKS		"/sys/kernel/debug/kmemleak"
#define LKDTM		"/sys/kernel/debug/provoke-crash/DIRECT"

/* QEMU ends at a reboot. To power off needs drivers that the guest may not have. */
static void shut_down(void)
{
	fflush(NULL);
	sync();
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

static void die(const char *fmt, ...)
{
	va_list ap;

	printf("Bail out! ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(": %s\n", strerror(errno));
	shut_down();
}

static void mount_one(const char *type, const char *where, bool required)
{
	mkdir(where, 0755);
	if (mount(type, where, type, 0, NULL) && required && errno != EBUSY)
		die("mount %s on %s", type, where);
}

/* Return the value of key=value on the kernel's command line, or NULL. */
static char *boot_option(const char *key)
{
	static char line[4096];
	size_t len = strlen(key);
	char *word, *save;
	FILE *f;

	f = fopen("/proc/cmdline", "r");
	if (!f || !fgets(line, sizeof(line), f))
		die("read /proc/cmdline");
	fclose(f);
	for (word = strtok_r(line, "\n ", &save); word;
	     word = strtok_r(NULL, "\n ", &save)) {
		if (!strncmp(word, key, len) && word[len] == '=')
			return word + len + 1;
	}
	return NULL;
}

static void print_to_second_port(void)
{
	char *path = boot_option("ktap") ?: "/dev/ttyS1";
	int fd = open(path, O_RDWR | O_NOCTTY);

	if (fd < 0)
		die("open %s", path);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

static void write_to(const char *path, const char *what)
{
	FILE *f = fopen(path, "w");

	if (!f || fputs(what, f) < 0 || fclose(f))
		die("write to %s", path);
}

/*
 * Break the guest as a broken kernel would. The boot must fail in each case, even if all
 * tests pass after a warning.
 */
static void break_guest(const char *what)
{
	static const char * const lkdtm[][2] = {
		{ "panic", "PANIC" }, { "oops", "EXCEPTION" }, { "warn", "WARNING" },
		{ "lockup", "SOFTLOCKUP" }, { NULL }
	};
	unsigned int i;

	printf("# control: %s\n", what);
	if (!strcmp(what, "hang"))
		for (;;)
			pause();
	if (!strcmp(what, "init-exits"))
		exit(0);
	if (!strcmp(what, "silence"))
		shut_down();
	if (!strcmp(what, "lockup"))
		write_to("/proc/sys/kernel/watchdog_thresh", "5");
	for (i = 0; lkdtm[i][0]; i++) {
		if (!strcmp(what, lkdtm[i][0])) {
			write_to(LKDTM, lkdtm[i][1]);
			return;
		}
	}
	die("unknown control=%s", what);
}

static pid_t start(char *const argv[], int out)
{
	static char *const env[] = {
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "TERM=linux", NULL
	};
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	if (out >= 0) {
		dup2(out, STDOUT_FILENO);
		dup2(out, STDERR_FILENO);
	}
	execve(argv[0], argv, env);
	fprintf(stderr, "# %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* Wait for @pid, and reap other children. Return its exit status, or -1 after a signal. */
static int finish(pid_t pid)
{
	int status;
	pid_t dead;

	while ((dead = wait(&status)) != pid) {
		if (dead < 0)
			die("wait for %d", pid);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run(char *const argv[])
{
	return finish(start(argv, -1));
}

/* The counters of MODULE_STATS. They miss requests that end before their image is read. */
struct mod_stats {
	unsigned long loads, merged, failed, wasted_bytes;
};

static bool read_mod_stats(struct mod_stats *s)
{
	char line[256], name[64];
	bool table = false;
	unsigned long n;
	FILE *f;

	memset(s, 0, sizeof(*s));
	f = fopen(MOD_STATS, "r");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		char *tab = strchr(line, '\t');

		/* The table has the requests that met a module or a load of the same name. */
		if (strstr(line, "Module-name"))
			table = true;
		else if (table && sscanf(line, "%63s %lu", name, &n) == 2)
			s->merged += n;
		if (!tab)
			continue;
		n = strtoul(tab, NULL, 10);
		if (strstr(line, "Mods ever loaded"))
			s->loads = n;
		else if (strstr(line, "Mods failed on"))
			s->failed += n;
		else if (strstr(line, "Failed kmod bytes"))
			s->wasted_bytes = n;
	}
	fclose(f);
	/* "Mods failed on becoming" includes them. */
	s->failed -= s->merged;
	return true;
}

static unsigned int count_modules(void)
{
	FILE *f = fopen("/proc/modules", "r");
	unsigned int n = 0;
	int c;

	if (!f)
		return 0;
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Run a coldplug if the guest has udev. Print its figures and its KTAP line. */
static void run_coldplug(void)
{
	static char *const udevd[] = { "/lib/systemd/systemd-udevd", "--daemon", NULL };
	static char *const version[] = { "/bin/udevadm", "--version", NULL };
	static char *const kmod[] = { "/bin/kmod", "--version", NULL };
	static char *const trigger[] = {
		"/bin/udevadm", "trigger", "--type=all", "--action=add", NULL
	};
	static char *const settle[] = {
		"/bin/udevadm", "settle", "--timeout=600", NULL
	};
	static char *const stop[] = {
		"/bin/udevadm", "control", "--exit", "--timeout=60", NULL
	};
	struct mod_stats before, after;
	double start_time;
	bool ok, stats;

	if (access(udevd[0], X_OK)) {
		printf("ok 1 coldplug # SKIP no udev in the guest, see GUEST_ROOT\n");
		return;
	}
	printf("# versions of udev and kmod:\n");
	run(version);
	run(kmod);
	stats = read_mod_stats(&before);
	if (!stats)
		printf("# requests are not counted, this kernel has no MODULE_STATS\n");
	start_time = now();
	ok = !run(udevd) && !run(trigger) && !run(settle);
	printf("# coldplug seconds: %.1f\n", now() - start_time);
	ok &= !run(stop);
	if (stats) {
		read_mod_stats(&after);
		printf("# coldplug requests: %lu\n", after.loads - before.loads +
		       after.merged - before.merged + after.failed - before.failed);
		printf("# coldplug loads: %lu\n", after.loads - before.loads);
		printf("# coldplug merged: %lu\n", after.merged - before.merged);
		printf("# coldplug bytes wasted: %lu\n",
		       after.wasted_bytes - before.wasted_bytes);
	}
	printf("# coldplug modules: %u\n", count_modules());
	/* A coldplug must load modules. */
	ok &= count_modules() > 0;
	printf("%sok 1 coldplug\n", ok ? "" : "not ");
}

/* Run a selftest. Print its KTAP as that of a subtest, and its result. */
static void run_selftest(unsigned int nr, const char *name, char *args)
{
	char path[256], *argv[32] = { path }, *line = NULL, *save;
	unsigned int argc = 1;
	size_t size = 0;
	int pipefd[2], status;
	pid_t pid;
	FILE *f;

	snprintf(path, sizeof(path), SELFTESTS "/%s", name);
	for (args = strtok_r(args, ",", &save); args && argc < 31;
	     args = strtok_r(NULL, ",", &save))
		argv[argc++] = args;
	if (pipe2(pipefd, O_CLOEXEC))
		die("pipe");
	pid = start(argv, pipefd[1]);
	close(pipefd[1]);
	f = fdopen(pipefd[0], "r");
	if (!f)
		die("fdopen");
	while (getline(&line, &size, f) > 0)
		printf("  %s", line);
	fclose(f);
	free(line);
	status = finish(pid);
	if (status == 4)	/* KSFT_SKIP */
		printf("ok %u %s # SKIP\n", nr, name);
	else
		printf("%sok %u %s # exit status %d\n", status ? "not " : "", nr,
		       name, status);
}

static bool detects_leaks(void)
{
	const char *opt = boot_option("leaks");

	return !access(LEAKS, W_OK) && !(opt && !strcmp(opt, "no"));
}

/* Scan twice. kmemleak reports what two scans find, if it is older than five seconds. */
static void scan_for_leaks(void)
{
	for (int i = 0; i < 2; i++) {
		sleep(6);
		write_to(LEAKS, "scan");
	}
}

/* Ignore memory leaked before the first module. */
static void clear_earlier_leaks(void)
{
	scan_for_leaks();
	write_to(LEAKS, "clear");
}

/*
 * Print the memory leaks, and a KTAP line. Do not count those that are as old as the kernel,
 * which a scan can miss at first. 6.1 does not free the caches of ACPI if ACPI cannot start.
 */
static void report_leaks(unsigned int nr)
{
	unsigned int n = 0;
	char line[256];
	FILE *f;

	scan_for_leaks();
	f = fopen(LEAKS, "r");
	if (!f)
		die("open %s", LEAKS);
	while (fgets(line, sizeof(line), f)) {
		n += strstr(line, "  comm \"") && !strstr(line, "  comm \"swapper/");
		printf("# %s", line);
	}
	fclose(f);
	printf("%sok %u leaks # %u found\n", n ? "not " : "", nr, n);
}

static void run_selftests(char *names, char *args)
{
	char none[] = "", *save, *name, *next;
	unsigned int nr = 2;

	for (name = strtok_r(names, ",", &save); name; name = next) {
		next = strtok_r(NULL, ",", &save);
		run_selftest(nr++, name, next ? none : args);
	}
	if (detects_leaks())
		report_leaks(nr);
}

static unsigned int count_words(const char *list)
{
	unsigned int n = 0;

	while (*(list += strspn(list, ","))) {
		list += strcspn(list, ",");
		n++;
	}
	return n;
}

int main(void)
{
	char *opt, *programs, *args;
	struct utsname u;

	mount_one("devtmpfs", "/dev", true);
	mount_one("proc", "/proc", true);
	mount_one("sysfs", "/sys", true);
	mount_one("tmpfs", "/tmp", true);
	mount_one("tmpfs", "/run", true);
	mount_one("debugfs", "/sys/kernel/debug", false);
	mount_one("tracefs", "/sys/kernel/tracing", false);
	mount_one("cgroup2", "/sys/fs/cgroup", false);
	mount_one("securityfs", "/sys/kernel/security", false);
	print_to_second_port();

	uname(&u);
	printf("KTAP version 1\n");
	printf("# guest: %s, %ld CPUs, %ld MiB\n", u.release,
	       sysconf(_SC_NPROCESSORS_ONLN),
	       sysconf(_SC_PHYS_PAGES) / 1024 * sysconf(_SC_PAGESIZE) / 1024);
	opt = boot_option("control");
	if (opt)
		break_guest(opt);
	opt = boot_option("programs");
	programs = strdup(opt ? opt : "parallel_load");
	opt = boot_option("tests");
	args = strdup(opt ? opt : "");
	if (!programs || !args)
		die("strdup");
	printf("1..%u\n", 1 + count_words(programs) + detects_leaks());
	if (detects_leaks())
		clear_earlier_leaks();
	run_coldplug();
	run_selftests(programs, args);
	shut_down();
}
