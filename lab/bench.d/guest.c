// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first process of the benchmark's guest: measures, tells the second serial
 * port what it found, a line "key value" each, and shuts the guest down. A boot
 * which has not said "done 1" has found nothing. On the other end of that port
 * is host.c. The kernel hands over what it does not know on its command line as
 * environment variables:
 *
 *	BENCH=WHAT	what to measure: see main()
 *	MAX=512		at most so many requests for a module
 *
 * Called "/init load MODALIAS" it is the stand-in for a modprobe that leaves
 * the decompression to the kernel.
 */

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <linux/futex.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define MIB		(1024.0 * 1024.0)
#define PAGE		4096UL

#define MODULES		"/bench"
#define STATS		"/sys/kernel/debug/modules/stats"
#define CALLS		"/run/bench.calls"

/* The storm of a host with 448 CPUs: so many modules, so many requests for each */
#define STORM_MODULES	20
#define STORM_REQUESTS	447
#define ROOM_REQUESTS	128
#define INNOCENTS	8
#define WIDE_SIZE	(108UL << 20)	/* as in Kbuild */
#define MAX_REQUESTS	(STORM_MODULES * STORM_REQUESTS)

#ifndef MODULE_INIT_COMPRESSED_FILE
#define MODULE_INIT_COMPRESSED_FILE	4
#endif

enum way { INIT_MODULE, ONE_FILE, COPIES };

static const char * const way_names[] = { "init_module", "one_file", "copies" };

struct image {
	char name[32];		/* of the module in it */
	char *data;
	size_t len;
	size_t size;		/* once it is laid out */
};

/* One request, a process. Shared between it and the one that measures. */
struct slot {
	double end;		/* when it was answered */
	double cpu;		/* that the guest thinks the system call took */
	long switches;
	int err;
	bool answered;
};

static struct {
	int go, leave;		/* futexes */
	int ready, answered;
	int innocent_tries, innocent_enomem;
	struct slot slot[MAX_REQUESTS];
} *shared;

enum figure {
	WALL, CPU, GUEST_CPU, SWITCHES, PEAK, VAIN, LAID_OUT, IMAGES, INITS,
	OK, EXIST, BUSY, NODEV, NOMEM, OTHER, KILLED, NO_ROOM, NR_FIGURES
};

static const char * const figure_names[] = {
	[WALL]		= "wall_s",
	[CPU]		= "cpu_s",
	[GUEST_CPU]	= "guest_cpu_s",
	[SWITCHES]	= "switches",
	[PEAK]		= "peak_mib",
	[VAIN]		= "vain_mib",
	[LAID_OUT]	= "laid_out_mib",
	[IMAGES]	= "images",
	[INITS]		= "inits",
	[OK]		= "ok",
	[EXIST]		= "eexist",
	[BUSY]		= "ebusy",
	[NODEV]		= "enodev",
	[NOMEM]		= "enomem",
	[OTHER]		= "other",
	[KILLED]	= "killed",
	[NO_ROOM]	= "no_room_messages",
};

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

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* What this guest has taken of the host's CPUs */
static double host_cpu_seconds(void)
{
	char line[64] = "";

	printf("cpu?\n");
	if (!fgets(line, sizeof(line), stdin))
		die("no answer from the host");
	return strtod(line, NULL);
}

static void nap(int ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("write %s", path);
	close(fd);
}

static void wait_on(int *futex)
{
	while (!__atomic_load_n(futex, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, futex, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void release(int *futex)
{
	__atomic_store_n(futex, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, futex, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* What the kernel counts: not a number if it does not, 0 if it has yet to begin. */

static double number_in(const char *path, const char *what)
{
	char line[256], *at;
	double n = 0;
	FILE *f;

	f = fopen(path, "re");
	if (!f)
		return NAN;
	while (fgets(line, sizeof(line), f)) {
		at = strstr(line, what);
		if (at) {
			n = strtod(at + strlen(what), NULL);
			break;
		}
	}
	fclose(f);
	return n;
}

struct stats {
	double loads, merged, becoming, failed, becoming_bytes, kmod_bytes;
};

static struct stats read_stats(void)
{
	return (struct stats) {
		.loads		= number_in(STATS, "Mods ever loaded\t"),
		.merged		= number_in(STATS, "Requests merged\t"),
		.becoming	= number_in(STATS, "Mods failed on becoming\t"),
		.failed		= number_in(STATS, "Mods failed on kread\t") +
				  number_in(STATS, "Mods failed on decompress\t") +
				  number_in(STATS, "Mods failed on becoming\t") +
				  number_in(STATS, "Mods failed on load\t"),
		.becoming_bytes	= number_in(STATS, "Failed becoming bytes\t"),
		.kmod_bytes	= number_in(STATS, "Failed kmod bytes\t"),
	};
}

/* Images copied and modules laid out are all that moves this while we measure. */
static double vmalloc_mib(void)
{
	return number_in("/proc/meminfo", "VmallocUsed:") / 1024;
}

static int open_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		die("open /dev/kmsg");
	lseek(fd, 0, SEEK_END);
	return fd;
}

static void read_log(int fd, double *figures)
{
	char line[2048];
	ssize_t len;

	for (;;) {
		len = read(fd, line, sizeof(line) - 1);
		if (len < 0 && errno == EPIPE)
			continue;	/* overtaken by the ring */
		if (len <= 0)
			break;
		line[len] = '\0';
		if (strstr(line, ";bench_") && strstr(line, ": init\n"))
			figures[INITS]++;
		if (strstr(line, "vmap allocation for size") ||
		    strstr(line, "execmem: unable to allocate memory"))
			figures[NO_ROOM]++;
	}
	close(fd);
}

/* Modules */

static struct image read_image(const char *name)
{
	struct image image;
	char path[64];
	struct stat st;
	int fd;

	snprintf(image.name, sizeof(image.name), "%s", name);
	snprintf(path, sizeof(path), MODULES "/%s.ko", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		die("open %s", path);
	image.len = st.st_size;
	image.size = strcmp(name, "bench_wide") ? image.len : WIDE_SIZE;
	image.data = mmap(NULL, image.len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (image.data == MAP_FAILED ||
	    read(fd, image.data, image.len) != (ssize_t)image.len)
		die("read %s", path);
	close(fd);
	return image;
}

/* Another module of the same kind: a name of the same length, wherever it is */
static void rename_image(struct image *image, const char *name)
{
	size_t len = strlen(image->name);
	char *at = image->data, *end = image->data + image->len;

	while ((at = memmem(at, end - at, image->name, len)))
		memcpy(at, name, len);
	memcpy(image->name, name, len);
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

/*
 * A file of one's own. Pages of zeros stay holes, which read no faster: 512
 * files would not fit into the guest otherwise.
 */
static int open_copy(const struct image *image)
{
	static const char zeros[PAGE];
	char path[64];
	size_t at, n;
	int fd;

	snprintf(path, sizeof(path), "/tmp/copy.%d", getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, image->len))
		die("create %s", path);
	for (at = 0; at < image->len; at += PAGE) {
		n = image->len - at < PAGE ? image->len - at : PAGE;
		if (memcmp(image->data + at, zeros, n) &&
		    pwrite(fd, image->data + at, n, at) != (ssize_t)n)
			die("write %s", path);
	}
	close(fd);
	/* No module is read from a file that is open for writing. */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	unlink(path);
	return fd;
}

static int open_module(const struct image *image, enum way way)
{
	char path[64];

	if (way == INIT_MODULE)
		return -1;
	if (way == COPIES)
		return open_copy(image);
	snprintf(path, sizeof(path), MODULES "/%s.ko", image->name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Many requests at once */

static long switches(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return ru.ru_nvcsw + ru.ru_nivcsw;
}

static void ask(const void *data, size_t len, int fd, enum way way, const char *params,
		struct slot *slot)
{
	double cpu;
	long n, ret;

	n = switches();
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	if (way == INIT_MODULE)
		ret = syscall(SYS_init_module, data, len, params);
	else
		ret = syscall(SYS_finit_module, fd, params, 0);
	slot->err = ret ? errno : 0;
	slot->cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	slot->end = seconds(CLOCK_MONOTONIC);
	slot->switches = switches() - n;
}

/* Stays after its answer, so that no exit costs time while others still wait. */
static void request(const struct image *image, enum way way, const char *params,
		    struct slot *slot)
{
	int fd = open_module(image, way);

	/* Where memory runs out, not the one that measures is to die of it. */
	write_file("/proc/self/oom_score_adj", "500");
	/* Each new process has page faults on its way through here, all in the same pages. */
	ask(NULL, 0, -1, way, params, slot);
	__atomic_add_fetch(&shared->ready, 1, __ATOMIC_RELEASE);
	wait_on(&shared->go);
	ask(image->data, image->len, fd, way, params, slot);
	slot->answered = true;
	__atomic_add_fetch(&shared->answered, 1, __ATOMIC_RELEASE);
	wait_on(&shared->leave);
	_exit(0);
}

/* Loads another module again and again while the storm lasts. */
static void innocent(int nr)
{
	struct image image = read_image("bench_big");
	char name[32];

	snprintf(name, sizeof(name), "bench_b%02d", nr);
	rename_image(&image, name);
	wait_on(&shared->go);
	while (!__atomic_load_n(&shared->leave, __ATOMIC_ACQUIRE)) {
		__atomic_add_fetch(&shared->innocent_tries, 1, __ATOMIC_RELAXED);
		if (!syscall(SYS_init_module, image.data, image.len, ""))
			unload(name);
		else if (errno == ENOMEM)
			__atomic_add_fetch(&shared->innocent_enomem, 1, __ATOMIC_RELAXED);
	}
	_exit(0);
}

static pid_t start(void)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		die("fork");
	return pid;
}

static void begin(void)
{
	memset(shared, 0, sizeof(*shared));
}

static void add_requests(int first, const struct image *image, enum way way, int n,
			 const char *params)
{
	for (int i = 0; i < n; i++)
		if (!start())
			request(image, way, params, &shared->slot[first + i]);
}

static enum figure answer(int err)
{
	switch (err) {
	case 0:
		return OK;
	case EEXIST:
		return EXIST;
	case EBUSY:
		return BUSY;
	case ENODEV:
		return NODEV;
	case ENOMEM:
		return NOMEM;
	default:
		return OTHER;
	}
}

/* Who looks must not have to queue with those who are looked at, or die of them. */
static void be_urgent(void)
{
	const struct sched_param urgent = { .sched_priority = 1 };

	write_file("/proc/self/oom_score_adj", "-1000");
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &urgent))
		die("sched_setscheduler");
}

/* Lets @n requests go, for @image or its like, and waits for their answers */
static void measure(int n, const struct image *image, double *figures)
{
	struct stats before, after;
	double begin, base, used, vain;
	int i, log, dead = 0;

	memset(figures, 0, NR_FIGURES * sizeof(*figures));
	while (__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE) < n) {
		if (waitpid(-1, NULL, WNOHANG) > 0)
			die("a request died too early");
		nap(10);
	}
	printf("measuring %d\n", n);
	nap(200);
	log = open_log();
	before = read_stats();
	base = vmalloc_mib();
	figures[CPU] = -host_cpu_seconds();

	begin = seconds(CLOCK_MONOTONIC);
	release(&shared->go);
	while (__atomic_load_n(&shared->answered, __ATOMIC_ACQUIRE) + dead < n) {
		used = vmalloc_mib() - base;
		if (used > figures[PEAK])
			figures[PEAK] = used;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			dead++;
		/* To look costs something, too. */
		nap(seconds(CLOCK_MONOTONIC) - begin < 1 ? 5 : 25);
	}
	figures[CPU] += host_cpu_seconds();
	after = read_stats();
	release(&shared->leave);
	while (wait(NULL) > 0)
		;
	read_log(log, figures);

	for (i = 0; i < n; i++) {
		const struct slot *slot = &shared->slot[i];

		if (!slot->answered) {
			figures[KILLED]++;
			continue;
		}
		if (slot->end - begin > figures[WALL])
			figures[WALL] = slot->end - begin;
		figures[GUEST_CPU] += slot->cpu;
		figures[SWITCHES] += slot->switches;
		figures[answer(slot->err)]++;
	}
	/* The kernel counts the image twice: once for what was laid out. */
	vain = (after.kmod_bytes - before.kmod_bytes) / 2 / image->len;
	figures[VAIN] = vain * (image->len + image->size) / MIB;
	figures[LAID_OUT] = (vain + figures[INITS]) * image->size / MIB;
	figures[IMAGES] = figures[INITS] + vain +
			  (after.becoming_bytes - before.becoming_bytes) / image->len;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void tell_one(const char *key, const char *figure, double value)
{
	if (!isnan(value))
		printf("%s.%s %.9g\n", key, figure, value);
}

static void tell(const char *key, const double *figures)
{
	for (int i = 0; i < NR_FIGURES; i++)
		tell_one(key, figure_names[i], figures[i]);
}

/* What is soon over is made again, and the median told: all else disturbs it more. */
static void measure_cell(const struct image *image, enum way way, bool refused, int n)
{
	double figures[NR_FIGURES], all[NR_FIGURES][9], spent = 0;
	int i, r = 0;
	char key[64];

	do {
		begin();
		add_requests(0, image, way, n, refused ? "ret=-19" : "");
		measure(n, image, figures);
		unload(image->name);
		nap(100);
		for (i = 0; i < NR_FIGURES; i++)
			all[i][r] = figures[i];
		spent += figures[WALL];
	} while (++r < 9 && spent < 1);
	for (i = 0; i < NR_FIGURES; i++) {
		qsort(all[i], r, sizeof(all[i][0]), by_value);
		figures[i] = all[i][r / 2];
	}
	snprintf(key, sizeof(key), "requests.%s.%s.%d", way_names[way],
		 refused ? "refused" : "live", n);
	tell(key, figures);
}

/* So many requests for each of the modules, all at once. Leaves nothing loaded. */
static void storm(int requests, const char *key)
{
	double figures[NR_FIGURES];
	struct image image;
	char name[32];
	int i;

	begin();
	for (i = 0; i < STORM_MODULES; i++) {
		image = read_image("bench_mid");
		snprintf(name, sizeof(name), "bench_m%02d", i);
		rename_image(&image, name);
		add_requests(i * requests, &image, INIT_MODULE, requests, "");
		/* The next to be forked need not have a copy of this. */
		free_image(&image);
	}
	measure(STORM_MODULES * requests, &image, figures);
	if (key)
		tell(key, figures);
	for (i = 0; i < STORM_MODULES; i++) {
		snprintf(name, sizeof(name), "bench_m%02d", i);
		unload(name);
	}
}

static void measure_storm(void)
{
	be_urgent();
	/* An emulator is slow when it sees code for the first time. */
	storm(1, NULL);
	storm(STORM_REQUESTS, "storm");
	/* What the loads alone take, with nobody to wait for them. */
	storm(1, "storm_alone");
}

/* So large a module that not all requests for it find room at a time */
static void measure_room(void)
{
	struct image image = read_image("bench_wide");
	double figures[NR_FIGURES];
	int i;

	be_urgent();
	begin();
	add_requests(0, &image, INIT_MODULE, ROOM_REQUESTS, "");
	for (i = 0; i < INNOCENTS; i++)
		if (!start())
			innocent(i);
	measure(ROOM_REQUESTS, &image, figures);
	/* These count the other modules, too. */
	figures[LAID_OUT] = figures[IMAGES] = figures[INITS] = NAN;
	tell("room", figures);
	printf("room.innocent_tries %d\n", shared->innocent_tries);
	printf("room.innocent_enomem %d\n", shared->innocent_enomem);
}

static void measure_requests(void)
{
	static const int counts[] = { 1, 8, 32, 128, 512 };
	const char *opt = getenv("MAX");
	struct image image = read_image("bench_big");
	int max = opt ? atoi(opt) : 512;
	double figures[NR_FIGURES];
	enum way way;
	size_t i;

	be_urgent();
	/* An emulator is slow when it sees code for the first time. */
	for (way = INIT_MODULE; way <= COPIES; way++) {
		begin();
		add_requests(0, &image, way, 8, "");
		measure(8, &image, figures);
		unload(image.name);
	}
	for (i = 0; i < ARRAY_SIZE(counts) && counts[i] <= max; i++) {
		for (way = INIT_MODULE; way <= COPIES; way++) {
			measure_cell(&image, way, false, counts[i]);
			measure_cell(&image, way, true, counts[i]);
		}
	}
}

/*
 * One load with nobody else about, counted by a clock that QEMU's -icount moves
 * on by 1 ns with each instruction. It runs only while this task does.
 */
static void count_instructions(const char *name)
{
	static double load[101], unload[101], both[101];
	struct image image = read_image(name);
	const size_t n = ARRAY_SIZE(load);

	for (size_t i = 0; i < n; i++) {
		double t0, t1, t2;

		t0 = seconds(CLOCK_PROCESS_CPUTIME_ID);
		if (syscall(SYS_init_module, image.data, image.len, ""))
			die("init_module %s", name);
		t1 = seconds(CLOCK_PROCESS_CPUTIME_ID);
		if (syscall(SYS_delete_module, name, O_NONBLOCK))
			die("delete_module %s", name);
		t2 = seconds(CLOCK_PROCESS_CPUTIME_ID);
		load[i] = (t1 - t0) * 1e9;
		unload[i] = (t2 - t1) * 1e9;
		both[i] = (t2 - t0) * 1e9;
	}
	qsort(load, n, sizeof(load[0]), by_value);
	qsort(unload, n, sizeof(unload[0]), by_value);
	qsort(both, n, sizeof(both[0]), by_value);
	printf("instructions.%s.load %.0f\n", name, load[n / 2]);
	printf("instructions.%s.unload %.0f\n", name, unload[n / 2]);
	printf("instructions.%s.both %.0f\n", name, both[n / 2]);
	printf("instructions.%s.both_min %.0f\n", name, both[0]);
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
		/* What these have to say is no figure. */
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

/* How many requests there have been; who was merged may have failed as well. */
static double all_requests(const struct stats *s)
{
	return s->loads + s->failed + (s->merged ? s->merged - s->becoming : 0);
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
	tell_one(key, "settle_s", seconds(CLOCK_MONOTONIC) - begin);
	after = read_stats();
	if (!ok || !run("/bin/udevadm", "control", "--exit", "--timeout=60"))
		die("udev could not do it");
	/* A call answered before its file was read is in no counter but our own. */
	stat(CALLS, &st);
	tell_one(key, "requests", st.st_size ? (double)st.st_size :
		 all_requests(&after) - all_requests(&before));
	tell_one(key, "loads", after.loads - before.loads);
	tell_one(key, "vain_mib", (after.kmod_bytes - before.kmod_bytes) / MIB);
	tell_one(key, "vain_images_mib", (after.becoming_bytes - before.becoming_bytes) / MIB);
	if (after.loads == before.loads)
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

/* "/init load MODALIAS": what kmod does, with the file handed to the kernel */

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
	char path[160], state[16] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/module/%s/initstate", name);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(state, sizeof(state), f))
		state[0] = '\0';
	fclose(f);
	return !strcmp(state, "live\n");
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

/* A line of modules.dep: the module, a colon, what it needs, the first last */
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
	/* The host is to get no echo of its answers. */
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
	const char *what;

	if (argc == 3 && !strcmp(argv[1], "load"))
		return load_by_alias(argv[2]);

	mount_one("devtmpfs", "/dev");
	mount_one("proc", "/proc");
	mount_one("sysfs", "/sys");
	mount_one("tmpfs", "/tmp");
	mount_one("tmpfs", "/run");
	mount_one("debugfs", "/sys/kernel/debug");
	talk_on_second_serial_port();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("mmap");

	what = getenv("BENCH") ?: "";
	if (!strcmp(what, "instructions")) {
		count_instructions("bench_tiny");
		count_instructions("bench_mid");
	} else if (!strcmp(what, "requests")) {
		measure_requests();
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
