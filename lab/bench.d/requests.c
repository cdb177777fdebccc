// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many concurrent requests for a module, and what they cost. Each request is a process. They
 * wait at a gate, so that they start at the same time. guest.c measures with this in the
 * guest of the benchmark, measure.c on any machine.
 */

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "requests.h"

#define STATS		"/sys/kernel/debug/modules/stats"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL	8U
#endif

struct shared *shared;

const char * const way_names[] = { "init_module", "one_file", "copies" };

const char * const figure_names[] = {
	[WALL]		= "wall_s",
	[CPU]		= "cpu_s",
	[WAKEUPS]	= "wakeups",
	[PEAK]		= "peak_mib",
	[WASTED]	= "wasted_mib",
	[IMAGES]	= "images",
	[OK]		= "ok",
	[EXIST]		= "eexist",
	[BUSY]		= "ebusy",
	[NODEV]		= "enodev",
	[NOENT]		= "enoent",
	[NOMEM]		= "enomem",
	[OTHER]		= "other",
	[KILLED]	= "killed",
	[NO_ROOM]	= "no_room_messages",
	[LOADS]		= "loads",
	[INITS]		= "inits",
	[ALLOCATIONS]	= "allocations",
	[ERRNOS]	= "errnos",
};

double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

void nap(int ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("write %s", path);
	close(fd);
}

void wait_on(int *futex)
{
	while (!__atomic_load_n(futex, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, futex, FUTEX_WAIT, 0, NULL, NULL, 0);
}

void release(int *futex)
{
	__atomic_store_n(futex, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, futex, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Return a counter of the kernel: not a number without the file, 0 without the line. */
double number_in(const char *path, const char *what)
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

/* Return the CPU time of all system calls. guest.c has another function. */
double __attribute__((weak)) cpu_seconds(void)
{
	double sum = 0;

	for (int i = 0; i < MAX_REQUESTS; i++)
		sum += shared->slot[i].cpu;
	return sum;
}

bool has_line(const char *path, const char *what)
{
	FILE *f = fopen(path, "re");
	bool found = false;
	char line[512];

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, what);
	if (f)
		fclose(f);
	return found;
}

struct stats read_stats(void)
{
	struct stats s = {
		.live		= number_in(STATS, "Mods ever loaded\t"),
		.failed		= number_in(STATS, "Mods failed on kread\t") +
				  number_in(STATS, "Mods failed on decompress\t"),
		.failed_loads	= number_in(STATS, "Mods failed on load\t"),
		.failed_copies	= number_in(STATS, "Mods failed on becoming\t"),
		.kmod_bytes	= number_in(STATS, "Failed kmod bytes\t"),
		.copied_bytes	= number_in(STATS, "Failed becoming bytes\t"),
	};

	s.failed += s.failed_loads + s.failed_copies;
	return s;
}

/* In the guest, only images and module memory change this during a measurement. */
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
			continue;	/* lines were overwritten */
		if (len <= 0)
			break;
		line[len] = '\0';
		if (strstr(line, ";bench_") && strstr(line, ": init\n"))
			figures[INITS]++;
		if (strstr(line, ": Unknown symbol bench_"))
			figures[LOADS]++;
		if (strstr(line, "vmap allocation for size") ||
		    strstr(line, "execmem: unable to allocate memory"))
			figures[NO_ROOM]++;
	}
	figures[LOADS] += figures[INITS];
	close(fd);
}

/* Modules */

/* Each process has these pages in its page table. Their first use costs it no time later. */
char *map_memory(size_t len)
{
	char *at = mmap(NULL, len ?: 1, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (at == MAP_FAILED)
		die("memory for an image of %zu bytes", len);
	return at;
}

struct image read_image(const char *path)
{
	struct image image = {};
	const char *name = strrchr(path, '/');
	struct stat st;
	int fd;

	name = name ? name + 1 : path;
	snprintf(image.name, sizeof(image.name), "%.*s", (int)strcspn(name, "."), name);
	snprintf(image.path, sizeof(image.path), "%s", path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		die("open %s", path);
	image.len = image.size = st.st_size;
	image.data = map_memory(image.len);
	if (read(fd, image.data, image.len) != (ssize_t)image.len)
		die("read %s", path);
	close(fd);
	return image;
}

/* Pages of zeros stay holes, which read no faster: 512 copies would not fit otherwise. */
void write_image(const struct image *image, int fd)
{
	static const char zeros[PAGE];
	size_t at, n;

	if (ftruncate(fd, image->len))
		die("create a file of %zu bytes", image->len);
	for (at = 0; at < image->len; at += PAGE) {
		n = image->len - at < PAGE ? image->len - at : PAGE;
		if (memcmp(image->data + at, zeros, n) &&
		    pwrite(fd, image->data + at, n, at) != (ssize_t)n)
			die("write a file of %zu bytes", image->len);
	}
}

/* Write an image to a file without a name. Return a descriptor that only reads it. */
int copy_image(const struct image *image)
{
	char path[64];
	int fd, copy;

	copy = memfd_create(image->name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	/* Linux 6.2 and older have no such flag. */
	if (copy < 0 && errno == EINVAL)
		copy = memfd_create(image->name, MFD_CLOEXEC);
	if (copy < 0)
		die("memfd_create");
	write_image(image, copy);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", copy);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("open %s", path);
	/* The kernel reads no module from a file that is open for writing. */
	close(copy);
	return fd;
}

static Elf64_Shdr *find_section(const struct image *image, const char *mark)
{
	char *at = memmem(image->data, image->len, mark, strlen(mark) + 1);
	Elf64_Ehdr *elf = (void *)image->data;
	Elf64_Shdr *s;

	if (!at || image->len < sizeof(*elf) || memcmp(elf->e_ident, ELFMAG "\2", SELFMAG + 1) ||
	    elf->e_shoff > image->len || (image->len - elf->e_shoff) / sizeof(*s) < elf->e_shnum)
		return NULL;
	s = (void *)(image->data + elf->e_shoff);
	for (int i = 0; i < elf->e_shnum; i++)
		if (s[i].sh_offset == (size_t)(at - image->data) && s[i].sh_size > strlen(mark))
			return &s[i];
	return NULL;
}

/*
 * Return the size of the section that begins with @mark, or 0 if there is none. If @size is
 * larger, move the section to the end of the image, with that size.
 */
size_t pad_image(struct image *image, const char *mark, size_t size)
{
	Elf64_Shdr *pad = find_section(image, mark);
	size_t at = (image->len + PAGE - 1) & -PAGE;
	char *data;

	if (!pad || pad->sh_size >= size)
		return pad ? pad->sh_size : 0;
	pad->sh_offset = at;
	pad->sh_size = size;
	data = map_memory(at + size);
	memcpy(data, image->data, image->len);
	strcpy(data + at, mark);
	munmap(image->data, image->len);
	image->data = data;
	image->len = at + size;
	image->size = size;
	return size;
}

int open_module(const struct image *image, enum way way)
{
	int fd;

	if (way == INIT_MODULE)
		return -1;
	if (way == COPIES)
		return copy_image(image);
	fd = open(image->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("open %s", image->path);
	return fd;
}

/* Many requests at once */

static struct rusage usage(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return ru;
}

static double cpu_of(const struct rusage *ru)
{
	return ru->ru_utime.tv_sec + ru->ru_stime.tv_sec +
	       (ru->ru_utime.tv_usec + ru->ru_stime.tv_usec) / 1e6;
}

void load(const void *data, size_t len, int fd, enum way way, const char *params,
	  struct slot *slot)
{
	struct rusage before = usage(), after;
	long ret;

	if (way == INIT_MODULE)
		ret = syscall(SYS_init_module, data, len, params);
	else
		ret = syscall(SYS_finit_module, fd, params, 0);
	slot->err = ret ? errno : 0;
	slot->end = seconds(CLOCK_MONOTONIC);
	after = usage();
	slot->cpu += cpu_of(&after) - cpu_of(&before);
	slot->wakeups = after.ru_nvcsw - before.ru_nvcsw;
}

/* The process stays, so that no exit costs time while other requests still wait. */
static void request(const struct image *image, enum way way, const char *params,
		    struct slot *slot)
{
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = open_module(image, way);
	/* If memory runs out, it must not kill the process that measures. */
	write_file("/proc/self/oom_score_adj", "500");
	/* The first system call of a process has page faults, all in the same pages. */
	load(NULL, 0, -1, way, params, slot);
	__atomic_add_fetch(&shared->ready, 1, __ATOMIC_RELEASE);
	wait_on(&shared->go);
	__atomic_store_n(&slot->started, true, __ATOMIC_RELEASE);
	load(image->data, image->len, fd, way, params, slot);
	slot->returned = true;
	__atomic_add_fetch(&shared->returned, 1, __ATOMIC_RELEASE);
	wait_on(&shared->leave);
	_exit(0);
}

pid_t start(void)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		die("fork");
	return pid;
}

void map_requests(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("mmap");
}

void begin(void)
{
	memset(shared, 0, sizeof(*shared));
}

void add_requests(int first, const struct image *image, enum way way, int n, const char *params)
{
	for (int i = first; i < first + n; i++) {
		pid_t pid = start();

		if (!pid)
			request(image, way, params, &shared->slot[i]);
		shared->slot[i].pid = pid;
	}
}

static enum figure figure_of(int err)
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
	case ENOENT:
		return NOENT;
	case ENOMEM:
		return NOMEM;
	default:
		return OTHER;
	}
}

/* Run before the requests, and survive them if memory runs out. */
void be_urgent(void)
{
	const struct sched_param urgent = { .sched_priority = 1 };

	write_file("/proc/self/oom_score_adj", "-1000");
	/* Some control groups have no time for it. Then this process looks later. */
	sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &urgent);
}

/* Let @n requests for @image, or for others of its size, start and return. */
void measure(int n, const struct image *image, double *figures)
{
	struct stats before, after;
	double begin, base, used;
	int i, log, dead = 0;

	memset(figures, 0, NR_FIGURES * sizeof(*figures));
	while (__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE) < n) {
		if (waitpid(-1, NULL, WNOHANG) > 0)
			die("a request died too early");
		look_at_requests(n);
		nap(10);
	}
	begin_measurement(n);
	nap(200);
	log = open_log();
	before = read_stats();
	base = vmalloc_mib();
	figures[CPU] = -cpu_seconds();

	begin = seconds(CLOCK_MONOTONIC);
	release(&shared->go);
	while (__atomic_load_n(&shared->returned, __ATOMIC_ACQUIRE) + dead < n) {
		look_at_requests(n);
		used = vmalloc_mib() - base;
		if (used > figures[PEAK])
			figures[PEAK] = used;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			dead++;
		/* Reading the figures costs time, so read them less often in a long round. */
		nap(seconds(CLOCK_MONOTONIC) - begin < 1 ? 5 : 25);
	}
	figures[CPU] += cpu_seconds();
	after = read_stats();
	release(&shared->leave);
	while (wait(NULL) > 0)
		;
	read_log(log, figures);

	for (i = 0; i < n; i++) {
		const struct slot *slot = &shared->slot[i];

		if (!slot->returned) {
			figures[KILLED]++;
			continue;
		}
		if (slot->end - begin > figures[WALL])
			figures[WALL] = slot->end - begin;
		figures[WAKEUPS] += slot->wakeups;
		figures[figure_of(slot->err)]++;
	}
	for (i = EXIST; i <= OTHER; i++)
		figures[ERRNOS] += figures[i] > 0;
	after.failed_loads -= before.failed_loads;
	figures[WASTED] = after.failed_loads * image->size / MIB;
	figures[ALLOCATIONS] = figures[INITS] + after.failed_loads;
	figures[IMAGES] = figures[ALLOCATIONS] + after.failed_copies - before.failed_copies;
}

int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/*
 * Measure up to @rounds times, until the requests have taken @limit seconds. Each row of
 * @all has the values of a figure in order, @figures has the medians. Return the number of
 * rounds.
 */
int measure_rounds(int rounds, double limit, const struct image *image, enum way way, int n,
		   const char *params, double all[][MAX_ROUNDS], double *figures)
{
	double spent = 0;
	int i, r = 0;

	do {
		begin();
		add_requests(0, image, way, n, params);
		measure(n, image, figures);
		end_round(image->name);
		for (i = 0; i < NR_FIGURES; i++)
			all[i][r] = figures[i];
		spent += figures[WALL];
	} while (++r < rounds && spent < limit);
	for (i = 0; i < NR_FIGURES; i++) {
		qsort(all[i], r, sizeof(all[i][0]), by_value);
		figures[i] = all[i][i < LOADS ? r / 2 : r - 1];
	}
	return r;
}
