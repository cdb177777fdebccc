/* SPDX-License-Identifier: GPL-2.0-only */
/* Gates, images and requests for the tests of concurrent module loads. */

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/elf.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest.h"
#include "test_modules/test_modload.h"

#if __SIZEOF_LONG__ == 8
#define elf_hdr		elf64_hdr
#define elf_shdr	elf64_shdr
#define elf_sym		elf64_sym
#else
#define elf_hdr		elf32_hdr
#define elf_shdr	elf32_shdr
#define elf_sym		elf32_sym
#endif

#define PREFIX		"test_modload_"
#define SYMBOL		PREFIX "symbol"
#define TMPFS		"/tmp/parallel_load"

/* Results of a request other than 0 or an errno */
#define KILLED		(-1)
#define WAITING		(-2)

/* Differences between an image and its file */
#define E_BUILD_ID	0x0001	/* another build ID */
#define E_NO_BUILD_ID	0x0002
#define E_BAD_SYMBOL	0x0004	/* the last symbol is missing */
#define E_LATE_SYMBOL	0x0008	/* the first symbol is in test_modload_late */
#define E_VERMAGIC	0x0010	/* for another kernel */
#define E_NO_EXPORT	0x0020
#define E_COMPRESSED	0x0040	/* from the compressed file beside it */
#define E_TMPFS		0x0080	/* in a file on TMPFS */
#define E_SIGNATURE	0x0100	/* with a signature that cannot be parsed */
#define E_STUCK		0x0200	/* init_module() stops at GATE_COPY */
#define E_READ		0x0400	/* in a file that stops at GATE_READ and cannot be read */
#define E_READ_OOPS	0x0800	/* the same, and the first read is an oops */
#define E_LARGE		0x1000	/* followed by so many zeros that its name is peeked at */
#define E_SLOW		0x2000	/* init_module() stops at GATE_COPY, then the memory comes */
#define E_READ_ZEROS	0x4000	/* in a file that stops at GATE_READ and has only zeros */
#define E_LATE_EXPORT	0x8000	/* exports the symbol of test_modload_late, no other */

struct call {
	const char *module;	/* without PREFIX */
	const char *rename;	/* the module's name in the image */
	unsigned int edits;
	const char *args;
	int flags;
	bool remove;		/* delete_module() */
	bool distinct;		/* arguments differ from request to request */
	bool opens;		/* opens GATE_EXIT when it has its result */
};

struct image {
	struct call call;	/* what it was made for */
	char name[56];		/* of the module */
	char *data;
	size_t len;
	int fd;			/* a file for all requests */
};

struct request {
	pid_t pid;		/* or task ID of a thread; 0: ended */
	long nr;		/* of the system call */
	int err;		/* 0, errno, KILLED or WAITING */
	bool live;		/* the module was, right after the call */
	int noticed;		/* signals and ptrace stops */
	long switches;		/* voluntary context switches when last seen */
	long wakeups;		/* and since then, when the call ended */
};

/* Consecutive requests */
struct group {
	struct request *req;
	int n;
};

/* Wait until @cond or the deadline. */
#define wait_for(cond) ({						\
	bool _true;							\
									\
	while (!(_true = (cond)) && !deadline_passed())			\
		nap();							\
	_true;								\
})

#define GATES		"/sys/module/" PREFIX "ctl/parameters/gates"
#define LARGE		(256 * 1024)
#define MAX_IMAGES	64
#define MAX_REQUESTS	256

static struct request *requests;	/* shared with the processes */
static int nr_requests;
static struct image images[MAX_IMAGES];
static int nr_images;
static struct timespec deadline;
static bool ticks;			/* requests get SIGALRM every 3 s */

static void set_deadline(int seconds)
{
	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += seconds;
}

static bool deadline_passed(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > deadline.tv_sec;
}

/* Let other processes run, and look which have ended or stopped. */
static void nap(void)
{
	struct request *req;
	int status;

	usleep(10 * 1000);
	for (req = requests; req < requests + nr_requests; req++) {
		if (!req->pid)
			continue;
		/* A thread has no status and cannot be waited for. */
		if (kill(req->pid, 0) && errno == ESRCH)
			status = 0;
		else if (waitpid(req->pid, &status, WNOHANG | WUNTRACED) != req->pid)
			continue;
		if (!WIFSTOPPED(status)) {
			req->pid = 0;
			req->err = req->err == WAITING ? KILLED : req->err;
		} else {
			req->noticed++;
			ptrace(PTRACE_DETACH, req->pid, 0, 0);
		}
	}
}

static void read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = read(fd, buf, size - 1);

	close(fd);
	buf[len < 0 ? 0 : len] = '\0';
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = write(fd, text, strlen(text));

	close(fd);
	return len > 0;
}

static void set_gate(const char *what, enum test_modload_gate nr)
{
	char text[32];

	snprintf(text, sizeof(text), "%s %d", what, nr);
	write_file(GATES, text);
}

/* Return how many tasks have come to the gate, or how many stand in it. */
static int read_gate(enum test_modload_gate nr, bool inside)
{
	char buf[512], *line;
	int n[2] = {};

	read_file(GATES, buf, sizeof(buf));
	for (line = buf; line && nr; nr--)
		line = strchr(line + 1, '\n');
	if (line)
		sscanf(line, "%*d %d %d", &n[0], &n[1]);
	return n[inside];
}

static int load(const struct image *image, const char *args)
{
	return syscall(__NR_init_module, image->data, image->len, args) ? errno : 0;
}

static int unload(const char *name)
{
	return syscall(__NR_delete_module, name, O_NONBLOCK) ? errno : 0;
}

static struct elf_shdr *find_section(const struct image *image, const char *name)
{
	const struct elf_hdr *hdr = (void *)image->data;
	struct elf_shdr *sec = (void *)(image->data + hdr->e_shoff);
	const char *names = image->data + sec[hdr->e_shstrndx].sh_offset;
	int i;

	for (i = 0; i < hdr->e_shnum; i++)
		if (!strcmp(names + sec[i].sh_name, name))
			return &sec[i];
	return NULL;
}

/* Overwrite the first @text in a section, and what follows it, by @with and a NUL. */
static char *replace(const struct image *image, const char *section, const char *text,
		     const char *with)
{
	const struct elf_shdr *sec = find_section(image, section);
	char *found = sec ? memmem(image->data + sec->sh_offset, sec->sh_size, text,
				   strlen(text)) : NULL;

	return found ? memcpy(found, with, strlen(with) + 1) : NULL;
}

/* Rename the first or the last symbol of test_modload_gate that is looked up. */
static void rename_symbol(const struct image *image, bool last, const char *with)
{
	const struct elf_shdr *tab = find_section(image, ".symtab");
	char *names = image->data + find_section(image, ".strtab")->sh_offset, *found = NULL;
	char *version;
	struct elf_sym *sym = (void *)(image->data + tab->sh_offset);
	struct elf_sym *end = sym + tab->sh_size / sizeof(*sym);

	for (; sym < end; sym++)
		if (sym->st_shndx == SHN_UNDEF && (last || !found) &&
		    !strncmp(names + sym->st_name, SYMBOL, strlen(SYMBOL)))
			found = names + sym->st_name;
	/* The CRC that CONFIG_MODVERSIONS compares stands before the name. */
	version = found ? replace(image, "__versions", found, with) : NULL;
	if (version)
		memset(version - sizeof(long), 0, sizeof(long));
	if (found)
		memcpy(found, with, strlen(with) + 1);
}

static void edit_image(struct image *image, unsigned int edits, const char *rename)
{
	struct elf_shdr *note = find_section(image, ".note.gnu.build-id");
	struct elf_shdr *exports = find_section(image, "__ksymtab_gpl") ?:
				   find_section(image, "__ksymtab");
	struct elf_shdr *crcs = find_section(image, "__kcrctab_gpl");
	char from[64], to[64];

	/* The build ID is at the end of the note. */
	if (note && edits & E_BUILD_ID)
		image->data[note->sh_offset + note->sh_size - 1] ^= 0x55;
	if (note && edits & E_NO_BUILD_ID)
		note->sh_size = 0;
	if (edits & E_BAD_SYMBOL)
		rename_symbol(image, true, SYMBOL "x");
	if (edits & E_LATE_SYMBOL)
		rename_symbol(image, false, SYMBOL "3");
	if (edits & E_VERMAGIC)
		replace(image, ".modinfo", "vermagic=", "vermagic=0");
	if (exports && edits & E_NO_EXPORT)
		exports->sh_name = 0;
	if (edits & E_LATE_EXPORT) {
		replace(image, "__ksymtab_strings", SYMBOL "1", SYMBOL "0");
		replace(image, "__ksymtab_strings", SYMBOL "2", SYMBOL "3");
	}
	/* Whichever module exports it, symbol 3 has the CRC that rename_symbol() writes. */
	if (crcs && replace(image, "__ksymtab_strings", SYMBOL "3", SYMBOL "3"))
		memset(image->data + crcs->sh_offset, 0, crcs->sh_size);
	if (rename) {
		snprintf(from, sizeof(from), "name=%s", image->name);
		snprintf(to, sizeof(to), "name=%s", rename);
		replace(image, ".modinfo", from, to);
		replace(image, ".gnu.linkonce.this_module", image->name, rename);
		snprintf(image->name, sizeof(image->name), "%s", rename);
	}
	if (edits & E_SIGNATURE) {
		/* The signature is longer than the file. */
		memset(image->data + image->len, 0xff, 12);
		memcpy(image->data + image->len + 12, "~Module signature appended~\n", 28);
		image->len += 12 + 28;
	}
}

/* Open a new file with the image. The file has no name that could stay behind. */
static int open_image(const struct image *image, int flags)
{
	bool tmpfs = image->call.edits & E_TMPFS;
	int fd, rw = tmpfs ? open(TMPFS, O_TMPFILE | O_RDWR, 0600) : memfd_create("image", 0);
	char path[64];

	if (image->call.edits & (E_READ | E_READ_OOPS | E_READ_ZEROS)) {
		close(rw);
		return open(image->call.edits & E_READ ? "/proc/" PREFIX "error" :
			    image->call.edits & E_READ_OOPS ? "/proc/" PREFIX "oops" :
							      "/proc/" PREFIX "zeros", O_RDONLY);
	}
	if (write(rw, image->data, image->len) != (ssize_t)image->len)
		return -1;
	/* A file that is open for writing cannot be loaded. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", rw);
	fd = open(path, flags);
	close(rw);
	return fd;
}

/* Return the image that @call is about, or NULL if there is none. */
static struct image *get_image(const struct call *call)
{
	static const char * const suffix[] = { "", ".xz", ".zst", ".gz" };
	int i, dir, fd = -1;
	struct image *image;
	char path[4096];

	for (image = images; image < images + nr_images; image++)
		if (!strcmp(image->call.module, call->module) && image->call.edits == call->edits &&
		    !strcmp(image->call.rename ?: "", call->rename ?: ""))
			return image;

	i = readlink("/proc/self/exe", path, sizeof(path) - 1);
	path[i < 0 ? 0 : i] = '\0';
	dir = open(dirname(path), O_PATH);
	for (i = !!(call->edits & E_COMPRESSED); i < (int)ARRAY_SIZE(suffix) && fd < 0; i++) {
		sprintf(path, "test_modules/" PREFIX "%s.ko%s", call->module, suffix[i]);
		fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	}
	close(dir);
	if (fd < 0 || nr_images == MAX_IMAGES)
		return NULL;

	image->call = *call;
	snprintf(image->name, sizeof(image->name), PREFIX "%s", call->module);
	image->len = lseek(fd, 0, SEEK_END);
	image->data = calloc(1, image->len + 64 + LARGE);
	if (pread(fd, image->data, image->len, 0) != (ssize_t)image->len)
		return NULL;
	close(fd);
	if (!(call->edits & E_COMPRESSED))
		edit_image(image, call->edits, call->rename);
	image->len += call->edits & E_LARGE ? LARGE : 0;
	image->fd = open_image(image, O_RDONLY);
	nr_images++;
	return image;
}

/*
 * Load test_modload_ctl, unless it is loaded already. The module of an owner that died in another
 * program keeps it loaded.
 */
static bool load_ctl(void)
{
	const struct call call = { "ctl" };
	const struct image *image = get_image(&call);

	return image && (!load(image, "") || errno == EEXIST);
}

static __thread struct request *myself;

static void count_signal(int sig)
{
	myself->noticed++;
}

/* Have a page fault after the last byte of the image stop at a gate. */
static void make_stuck(struct image *image, bool comes)
{
	size_t page = sysconf(_SC_PAGESIZE), len = (image->len + page - 1) / page * page;
	int fd = open("/dev/" PREFIX "ctl", O_RDONLY);
	char *p = mmap(NULL, len + page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(p, image->data, image->len);
	if (mmap(p + len, page, PROT_READ, MAP_SHARED | MAP_FIXED, fd, comes * page) == MAP_FAILED)
		_exit(1);
	image->data = p;
	image->len = len + page;
}

/* Make a request in this process or thread, and record its result. */
static void make_request(struct request *req, const struct call *call, char way,
			 struct image image, const int *barrier)
{
	const struct timeval tick = { .tv_sec = ticks ? 3 : 0 };
	struct sigaction act = { .sa_handler = count_signal };
	char path[128], args[256], state[16];
	struct rusage usage;
	int err;

	myself = req;
	sigaction(SIGUSR2, &act, NULL);
	act.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &(struct itimerval){ tick, tick }, NULL);
	snprintf(args, sizeof(args), "%s tag=%d", call->args ?: "", (int)(req - requests));
	if (!call->distinct)
		*strrchr(args, ' ') = '\0';
	if (way == 'c')
		image.fd = open_image(&image, O_RDONLY);
	if (call->edits & (E_STUCK | E_SLOW))
		make_stuck(&image, call->edits & E_SLOW);
	if (barrier) {
		close(barrier[1]);
		if (read(barrier[0], path, 1))
			_exit(1);
	}

	if (call->remove)
		err = unload(image.name);
	else if (way == 'i')
		err = load(&image, args);
	else
		err = syscall(__NR_finit_module, image.fd, args, call->flags) ? errno : 0;

	getrusage(RUSAGE_THREAD, &usage);
	snprintf(path, sizeof(path), "/sys/module/%s/initstate", image.name);
	read_file(path, state, sizeof(state));
	req->live = !strcmp(state, "live\n");
	req->wakeups = usage.ru_nvcsw - req->switches;
	req->err = err;
	if (call->opens)
		set_gate("open", GATE_EXIT);
}

static struct request *add_request(const struct call *call, char way)
{
	struct request *req = &requests[nr_requests++];

	*req = (struct request){ .err = WAITING, .switches = -1 };
	req->nr = call->remove ? __NR_delete_module :
		  way == 'i' ? __NR_init_module : __NR_finit_module;
	return req;
}

/* Fork a process that is killed when this one ends. */
static pid_t fork_child(void)
{
	pid_t self = getpid(), pid = fork();

	if (!pid && (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != self))
		_exit(1);
	return pid;
}

/*
 * Start @n requests by @way: i(nit), f(ile), c(opy) or m(ixed). They begin when the
 * pipe @barrier is closed, if there is one. Return fewer if they cannot be started.
 */
static struct group start(const struct call *call, char way, int n, const int *barrier)
{
	const struct image *image = get_image(call);
	struct group g = {};
	pid_t pid;

	if (!requests)
		requests = mmap(NULL, MAX_REQUESTS * sizeof(*requests), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	g.req = requests + nr_requests;
	for (; image && g.n < n && nr_requests < MAX_REQUESTS; g.n++) {
		char w = way == 'm' ? "fic"[nr_requests % 3] : way;
		struct request *req;

		if (call->edits & (E_STUCK | E_SLOW))
			w = 'i';
		req = add_request(call, w);
		pid = fork_child();
		if (!pid) {
			make_request(req, call, w, *image, barrier);
			_exit(0);
		}
		if (pid < 0) {
			nr_requests--;
			break;
		}
		req->pid = pid;
	}
	return g;
}

static void send_signal(const struct group *g, int sig)
{
	int i;

	for (i = 0; i < g->n; i++)
		if (g->req[i].pid > 0)
			kill(g->req[i].pid, sig);
}

static int count_waiting(const struct group *g)
{
	int i, n = 0;

	for (i = 0; i < g->n; i++)
		n += !!g->req[i].pid;
	return n;
}

static int count_err(const struct group *g, int err)
{
	int i, n = 0;

	for (i = 0; i < g->n; i++)
		n += g->req[i].err == err;
	return n;
}

/* Return true if @req sleeps in its system call, not on a lock, and did so when last seen. */
static bool is_asleep(struct request *req)
{
	char path[64], buf[4096], stack[4096], *state, *switches;
	long seen = req->switches;

	snprintf(path, sizeof(path), "/proc/%d/syscall", req->pid);
	read_file(path, buf, sizeof(buf));
	snprintf(path, sizeof(path), "/proc/%d/stack", req->pid);
	read_file(path, stack, sizeof(stack));
	if (strtol(buf, NULL, 10) != req->nr || strstr(stack, "mutex_lock"))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/status", req->pid);
	read_file(path, buf, sizeof(buf));
	state = strstr(buf, "\nState:\t");
	switches = strstr(buf, "\nvoluntary_ctxt_switches:\t");
	req->switches = switches ? strtol(strchr(switches, ':') + 1, NULL, 10) : 0;
	return state && strchr("SD", state[8]) && req->switches == seen;
}

/* Wait until all remaining requests sleep. Return false if one of them ends. */
static bool all_asleep(const struct group *g)
{
	int i, waiting = count_waiting(g), asleep;

	do {
		nap();
		for (i = 0, asleep = 0; i < g->n; i++)
			asleep += g->req[i].pid && is_asleep(&g->req[i]);
	} while (asleep < waiting && waiting == count_waiting(g) && !deadline_passed());
	return asleep == waiting && waiting == count_waiting(g);
}

static const char *errno_name(int err)
{
	return err == KILLED ? "killed" : err == WAITING ? "waiting" :
	       strerrorname_np(err) ?: "unknown";
}

/* Return the results as "0: EBUSY, 1-62: EEXIST" in a static buffer. */
static const char *results(const struct group *g)
{
	static char text[1024];
	size_t len = 0;
	int i, j;

	text[0] = '\0';
	for (i = 0; i < g->n && len < sizeof(text) - 64; i = j) {
		for (j = i + 1; j < g->n && g->req[j].err == g->req[i].err;)
			j++;
		len += sprintf(text + len, j > i + 1 ? "%s%d-%d: %s" : "%s%d%.0d: %s",
			       i ? ", " : "", i, j > i + 1 ? j - 1 : 0, errno_name(g->req[i].err));
	}
	return text;
}

/* Kill all processes and forget them. Return false if one stays. */
static bool end_requests(void)
{
	struct group all = { requests, nr_requests };
	bool ended;

	send_signal(&all, SIGKILL);
	ended = wait_for(!count_waiting(&all));
	nr_requests = 0;
	return ended;
}
