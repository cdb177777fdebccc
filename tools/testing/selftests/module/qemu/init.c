// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first process of the test guest: cold-plugs with the udev it finds, if
 * any, runs the selftests, tells all their stories in KTAP on the second serial
 * port and shuts the guest down. The first serial port is the kernel's console.
 *
 * Kernel command line:
 *	control=WHAT	do not test, break: see break_guest()
 *	programs=NAMES	the selftests to run, separated by commas
 *	tests=ARGS	arguments for the last of them, separated by commas
 *	leaks=no	do not look for them: a task that dies leaves some
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
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SELFTESTS	"/selftest"
#define MOD_STATS	"/sys/kernel/debug/modules/stats"
#define LEAKS		"/sys/kernel/debug/kmemleak"
#define BREAKER		"/selftest/test_modules/pl_break.ko"

/* A reboot ends QEMU, which was told not to; power-off needs more of a machine. */
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

static void mount_one(const char *type, const char *where, bool needed)
{
	mkdir(where, 0755);
	if (mount(type, where, type, 0, NULL) && needed && errno != EBUSY)
		die("mount %s on %s", type, where);
}

static void talk_on_second_serial_port(void)
{
	int fd = open("/dev/ttyS1", O_RDWR | O_NOCTTY);

	if (fd < 0)
		die("open /dev/ttyS1");
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

/* The value of key=value on the kernel's command line, or NULL */
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

static void write_to(const char *path, const char *what)
{
	FILE *f = fopen(path, "w");

	if (!f || fputs(what, f) < 0 || fclose(f))
		die("write to %s", path);
}

static void load_breaker(const char *how)
{
	char params[32];
	int fd = open(BREAKER, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("open %s", BREAKER);
	snprintf(params, sizeof(params), "how=%s", how);
	if (!syscall(__NR_finit_module, fd, params, 0) || errno != EINVAL)
		die("load %s", BREAKER);
	close(fd);
}

/*
 * Does to the guest what a broken kernel would, so that the harness can be seen
 * to fail. Each of these has to end in a failure on the host.
 */
static void break_guest(const char *what)
{
	printf("# control: %s\n", what);
	if (!strcmp(what, "panic"))
		write_to("/proc/sysrq-trigger", "c");
	if (!strcmp(what, "hang"))
		for (;;)
			pause();
	if (!strcmp(what, "init-exits"))
		exit(0);
	if (!strcmp(what, "silence"))	/* no test, no word, no fault */
		shut_down();
	if (!strcmp(what, "oops"))
		load_breaker(what);
	if (!strcmp(what, "warn")) {	/* all else is well, and so it goes on */
		load_breaker(what);
		return;
	}
	if (!strcmp(what, "lockup")) {
		write_to("/proc/sys/kernel/watchdog_thresh", "5");
		load_breaker(what);
	}
	die("control=%s is not known", what);
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

/* Waits for @pid and buries whatever else died meanwhile; -1 unless it exited */
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

/* What MODULE_STATS tells of requests: each ended in one of the first three ways */
struct mod_stats {
	unsigned long loads, merged, failed, vain_bytes;
};

static bool read_mod_stats(struct mod_stats *s)
{
	unsigned long n, becoming = 0, duplicates = 0;
	bool table = false, counts_merges = false;
	char line[256], name[64];
	FILE *f;

	memset(s, 0, sizeof(*s));
	f = fopen(MOD_STATS, "r");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		char *tab = strchr(line, '\t');

		if (strstr(line, "Module-name"))
			table = true;
		else if (table && sscanf(line, "%63s %lu", name, &n) == 2)
			duplicates += n;
		if (!tab)
			continue;
		counts_merges |= !!strstr(line, "Requests merged");
		n = strtoul(tab, NULL, 10);
		if (strstr(line, "Mods ever loaded"))
			s->loads = n;
		else if (strstr(line, "Requests merged"))
			s->merged = n;
		else if (strstr(line, "Mods failed on becoming"))
			becoming = n;
		else if (strstr(line, "Mods failed on"))
			s->failed += n;
		else if (strstr(line, "Failed kmod bytes"))
			s->vain_bytes = n;
	}
	fclose(f);
	/* Else it tells of those alone whose image was read, among the failures. */
	if (!counts_merges) {
		s->merged = duplicates;
		s->failed += becoming - duplicates;
	}
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

/* Prints the KTAP line of the coldplug; true unless it failed */
static bool run_coldplug(void)
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
		printf("ok 1 coldplug # SKIP no udev in the guest, give GUEST_ROOT=dir\n");
		return true;
	}
	printf("# udev, then kmod:\n");
	run(version);
	run(kmod);
	stats = read_mod_stats(&before);
	if (!stats)
		printf("# no MODULE_STATS in this kernel: requests are not counted\n");
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
		printf("# coldplug bytes in vain: %lu\n",
		       after.vain_bytes - before.vain_bytes);
	}
	printf("# coldplug modules: %u\n", count_modules());
	/* A coldplug that loads nothing has not shown anything. */
	ok &= count_modules() > 0;
	printf("%sok 1 coldplug\n", ok ? "" : "not ");
	return ok;
}

/* Runs a selftest, its KTAP indented as a subtest's, and prints the verdict */
static void selftest(unsigned int nr, const char *name, char *args)
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

static bool wants_leaks(void)
{
	const char *opt = boot_option("leaks");

	return !access(LEAKS, W_OK) && !(opt && !strcmp(opt, "no"));
}

/* It looks at nothing that is younger than five seconds, and believes what it sees twice. */
static void scan_for_leaks(void)
{
	for (int i = 0; i < 2; i++) {
		sleep(6);
		write_to(LEAKS, "scan");
	}
}

/*
 * What the kernel has lost before the first module is not of modules: 6.1 never
 * frees the caches of an ACPI that it gives up.
 */
static void forget_earlier_leaks(void)
{
	scan_for_leaks();
	write_to(LEAKS, "clear");
}

/* What the kernel's leak detector finds in the end, if there is one. */
static void look_for_leaks(unsigned int nr)
{
	unsigned int n = 0;
	char line[256];
	FILE *f;

	scan_for_leaks();
	f = fopen(LEAKS, "r");
	if (!f)
		die("open %s", LEAKS);
	while (fgets(line, sizeof(line), f)) {
		n += !strncmp(line, "unreferenced object", 19);
		printf("# %s", line);
	}
	fclose(f);
	printf("%sok %u leaks # %u found\n", n ? "not " : "", nr, n);
}

static void selftests(char *names, char *args)
{
	char none[] = "", *save, *name, *next;
	unsigned int nr = 2;

	for (name = strtok_r(names, ",", &save); name; name = next) {
		next = strtok_r(NULL, ",", &save);
		selftest(nr++, name, next ? none : args);
	}
	if (wants_leaks())
		look_for_leaks(nr);
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
	talk_on_second_serial_port();

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
	printf("1..%u\n", 1 + count_words(programs) + wants_leaks());
	if (wants_leaks())
		forget_earlier_leaks();
	run_coldplug();
	selftests(programs, args);
	shut_down();
}
