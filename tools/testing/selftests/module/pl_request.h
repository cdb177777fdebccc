/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests: processes that ask for a module, or for its removal, and what they
 * are told. A part of each program that includes it, after kselftest_harness.h,
 * which cannot be in two files of one program.
 */
#ifndef PL_REQUEST_H
#define PL_REQUEST_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pl_lib.h"

/* No program makes all kinds of requests. */
#pragma GCC diagnostic ignored "-Wunused-function"

/*
 * Seconds. The slowest machine to think of is an emulated one with far more
 * CPUs than its host has. The harness kills the test without a teardown when
 * its own limit is reached, so that one is longer than all the others together.
 */
#define TEST_LIMIT	150
#define TEARDOWN_LIMIT	90
#define HARNESS_LIMIT	360

#define MAX_REQUESTS	(WAKE_MODULES * (1 + WAKE_REQUESTS))

/* Waiters on each of WAKE_MODULES modules. */
#define WAKE_REQUESTS	64

#define CGROUPS		"/sys/fs/cgroup"

/* What pl_user calls its own gate, which is open but in one test: it counts. */
#define USER_GATE	2

enum way {
	INIT_MODULE,	/* init_module() */
	ONE_FILE,	/* finit_module(), all on one file */
	COPIES,		/* finit_module(), each on a file of its own */
	MIXED,		/* by turns init_module() and finit_module() on a copy */
	REMOVAL,	/* delete_module() */
};

/* What a request asks for. */
struct demand {
	const struct image *image;
	enum way way;
	const char *params;
	int flags;		/* of finit_module() */
	bool one_cpu;		/* all requests share a CPU */
	unsigned int fail_nth;	/* this allocation of the call fails, unless it is 0 */
};

/* One process that makes one request. Shared between it and the test. */
struct request {
	pid_t pid;		/* 0: reaped */
	long nr;		/* the number of the system call */
	bool ready;		/* at the barrier */
	int running;		/* in the first of a group: how many do */
	bool answered;
	bool killed;
	bool handled;		/* a signal handler has run */
	int err;		/* the answer: 0 or the errno */
	bool faulted;		/* an allocation of the call has been made to fail */
	long switches;		/* voluntary ones, until the answer */
	char initstate[16];	/* the module's, right after the answer */
};

/* Requests which are released together. */
struct group {
	struct request *req;
	int n;
	int barrier;		/* an eventfd: lifted when it can be read */
};

/* Requests */

static struct request *myself;

static void note_signal(int sig)
{
	(void)sig;
	__atomic_store_n(&myself->handled, true, __ATOMIC_RELEASE);
}

/* SIGUSR1 lets a system call start again, SIGUSR2 ends it. */
static void handle_signals(struct request *req)
{
	struct sigaction act = { .sa_handler = note_signal };

	myself = req;
	sigaction(SIGUSR2, &act, NULL);
	act.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &act, NULL);
}

static int share_a_cpu(void)
{
	cpu_set_t cpus;
	int i;

	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		return -1;
	for (i = 0; !CPU_ISSET(i, &cpus);)
		i++;
	CPU_ZERO(&cpus);
	CPU_SET(i, &cpus);
	return sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* Does not return. */
static void make_request(struct request *req, const struct demand *d, int fd,
			 int barrier, int *running, int n, pid_t parent)
{
	struct pollfd lifted = { .fd = barrier, .events = POLLIN };
	struct rusage usage;
	char path[64];
	int err, faults = -1;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(1);
	snprintf(path, sizeof(path), "/sys/module/%s/initstate", d->image->name);
	handle_signals(req);
	if (d->one_cpu && share_a_cpu())
		_exit(1);
	if (d->fail_nth) {
		faults = open_fail_nth(getpid());
		if (faults < 0)
			_exit(1);
	}

	__atomic_store_n(&req->ready, true, __ATOMIC_RELEASE);
	/* Nobody reads it, so that one write wakes them all, not one by one. */
	if (poll(&lifted, 1, -1) != 1)
		_exit(1);

	/*
	 * Waking many processes takes long next to loading a module. Running
	 * already, they all make the call at the same time.
	 */
	__atomic_add_fetch(running, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(running, __ATOMIC_ACQUIRE) < n) {
		if (d->one_cpu)
			sched_yield();
	}

	if (faults >= 0 && !set_fail_nth(faults, d->fail_nth))
		_exit(1);
	if (d->way == REMOVAL)
		err = unload(d->image->name);
	else if (fd < 0)
		err = load(d->image->data, d->image->len, d->params);
	else
		err = syscall(__NR_finit_module, fd, d->params, d->flags) ? errno : 0;
	if (faults >= 0) {
		req->faulted = !get_fail_nth(faults);
		set_fail_nth(faults, 0);
	}

	req->switches = getrusage(RUSAGE_SELF, &usage) ? -1 : usage.ru_nvcsw;
	if (!read_file(path, req->initstate, sizeof(req->initstate)))
		req->initstate[0] = '\0';
	req->err = err;
	__atomic_store_n(&req->answered, true, __ATOMIC_RELEASE);
	_exit(0);
}

static int count_ready(const struct group *g)
{
	int i, n = 0;

	for (i = 0; i < g->n; i++)
		n += __atomic_load_n(&g->req[i].ready, __ATOMIC_ACQUIRE);
	return n;
}

static int count_answered(const struct group *g)
{
	int i, n = 0;

	for (i = 0; i < g->n; i++)
		n += __atomic_load_n(&g->req[i].answered, __ATOMIC_ACQUIRE);
	return n;
}

static bool all_answered(const struct group *g)
{
	return count_answered(g) == g->n;
}

/* Processes at a barrier, one for each of @n requests that will be made. */
static struct group gather_for(struct __test_metadata *_metadata, struct pl *pl,
			       int n, const struct demand *d)
{
	struct group g = { .req = pl->req + pl->used, .n = n };
	pid_t self = getpid();
	int i;

	ASSERT_NE(NULL, d->image)
		TH_LOG("no image: %s", strerror(errno));
	ASSERT_LE(pl->used + n, MAX_REQUESTS);
	g.barrier = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, g.barrier);

	for (i = 0; i < n; i++, pl->used++) {
		struct request *req = &pl->req[pl->used];
		int fd = -1;
		pid_t pid;

		req->nr = d->way == REMOVAL ? __NR_delete_module :
					      __NR_init_module;
		if (d->way == ONE_FILE || d->way == COPIES ||
		    (d->way == MIXED && pl->used % 2)) {
			req->nr = __NR_finit_module;
			fd = d->way == ONE_FILE ? reopen(d->image->fd) :
						  open_copy(d->image);
			ASSERT_LE(0, fd)
				TH_LOG("no file: %s", strerror(errno));
		}

		pid = fork();
		if (!pid)
			make_request(req, d, fd, g.barrier, &g.req->running, n,
				     self);
		if (fd >= 0)
			close(fd);
		ASSERT_LT(0, pid)
			TH_LOG("fork: %s", strerror(errno));
		req->pid = pid;
	}

	ASSERT_TRUE(comes_true(pl, count_ready(&g) == n));
	return g;
}

/* The same for a module as it was built. */
static struct group gather(struct __test_metadata *_metadata, struct pl *pl,
			   int n, const char *name, enum way way,
			   const char *params)
{
	const struct demand d = {
		.image = get_image(pl, name), .way = way, .params = params,
	};

	ASSERT_NE(NULL, d.image)
		TH_LOG("cannot read %s/%s.ko: %s", pl->dir, name,
		       strerror(errno));
	return gather_for(_metadata, pl, n, &d);
}

static void release(struct __test_metadata *_metadata, const struct group *g)
{
	ASSERT_EQ(0, eventfd_write(g->barrier, 1));
}

/*
 * A process makes its system call once. Who is in it before and after was in it
 * in between, so the sleep is one inside the call.
 */
static bool is_asleep(const struct request *req)
{
	return in_syscall(req->pid, req->nr) && task_state(req->pid) == 'S' &&
	       in_syscall(req->pid, req->nr);
}

static int count_asleep(const struct group *g)
{
	int i, n = 0;

	for (i = 0; i < g->n; i++)
		n += g->req[i].pid && is_asleep(&g->req[i]);
	return n;
}

static int count_alive(const struct group *g)
{
	int i, n = 0;

	for (i = 0; i < g->n; i++)
		n += !g->req[i].killed;
	return n;
}

/* Do they all sleep in the call? When one has an answer, they never will. */
static bool all_fall_asleep(struct pl *pl, const struct group *g)
{
	bool asleep, awake;

	do {
		asleep = count_asleep(g) == count_alive(g);
		awake = count_answered(g);
	} while (!asleep && !awake && (nap(), !deadline_passed(pl)));

	return asleep && !awake;
}

/* Has the process been reaped? One that is traced has stops to tell of, too. */
static bool reap(struct request *req)
{
	int status = 0;

	if (req->pid && waitpid(req->pid, &status, WNOHANG) &&
	    !WIFSTOPPED(status))
		req->pid = 0;
	return !req->pid;
}

/* Forget the requests from number @first on, which have all been answered. */
static void forget_requests(struct __test_metadata *_metadata, struct pl *pl,
			    int first)
{
	int i;

	for (i = first; i < pl->used; i++)
		ASSERT_TRUE(comes_true(pl, reap(&pl->req[i])));
	memset(pl->req + first, 0, (pl->used - first) * sizeof(*pl->req));
	pl->used = first;
}

static bool kill_and_reap(struct pl *pl, struct request *req)
{
	req->killed = true;
	kill(req->pid, SIGKILL);
	return comes_true(pl, reap(req));
}

/* Interruptions */

static void signal_all(const struct group *g, int sig)
{
	int i;

	for (i = 0; i < g->n; i++)
		if (g->req[i].pid)
			kill(g->req[i].pid, sig);
}

static bool all_in_state(const struct group *g, char state)
{
	int i, n = 0;

	for (i = 0; i < g->n; i++)
		n += g->req[i].pid && task_state(g->req[i].pid) == state;
	return n == count_alive(g);
}

static bool all_handled(const struct group *g)
{
	int i, n = 0;

	for (i = 0; i < g->n; i++)
		n += __atomic_load_n(&g->req[i].handled, __ATOMIC_ACQUIRE);
	return n == g->n;
}

static void stop_and_continue(struct __test_metadata *_metadata, struct pl *pl,
			      const struct group *g)
{
	signal_all(g, SIGSTOP);
	ASSERT_TRUE(comes_true(pl, all_in_state(g, 'T')));
	signal_all(g, SIGCONT);
}

static bool is_frozen(const struct pl *pl, bool frozen)
{
	char path[128], buf[128];

	snprintf(path, sizeof(path), "%s/cgroup.events", pl->cgroup);
	return read_file(path, buf, sizeof(buf)) &&
	       strstr(buf, frozen ? "frozen 1" : "frozen 0");
}

static bool set_frozen(const struct pl *pl, const char *what)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/cgroup.freeze", pl->cgroup);
	return write_file(path, what);
}

/* A cgroup with the requests of @g in it. False: no cgroup v2 to make it in. */
static bool make_cgroup(struct pl *pl, const struct group *g)
{
	char path[128], pid[16];
	int i;

	if (access(CGROUPS "/cgroup.procs", F_OK))
		return false;
	snprintf(pl->cgroup, sizeof(pl->cgroup), CGROUPS "/parallel_load.%d",
		 getpid());
	if (mkdir(pl->cgroup, 0755)) {
		pl->cgroup[0] = '\0';
		return false;
	}
	snprintf(path, sizeof(path), "%s/cgroup.procs", pl->cgroup);
	for (i = 0; i < g->n; i++) {
		snprintf(pid, sizeof(pid), "%d", g->req[i].pid);
		if (!write_file(path, pid))
			return false;
	}
	return set_frozen(pl, "0");
}

static bool is_trapped(const struct request *req)
{
	int status;

	return waitpid(req->pid, &status, WNOHANG) == req->pid &&
	       WIFSTOPPED(status);
}

/* The kernel's log */

/* From here on. -1 if it cannot be read. */
static int open_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/* How often has @text come up since the last look? */
static int count_in_log(int fd, const char *text)
{
	char record[8192];
	ssize_t len;
	int n = 0;

	/* EPIPE: older records have been overwritten, there are more. */
	while ((len = read(fd, record, sizeof(record) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		record[len < 0 ? 0 : len] = '\0';
		n += !!strstr(record, text);
	}
	return n;
}

/* Answers */

static int count_err(const struct group *g, int err)
{
	int i, n = 0;

	for (i = 0; i < g->n; i++)
		n += g->req[i].answered && g->req[i].err == err;
	return n;
}

static int count_live(const struct group *g)
{
	int i, n = 0;

	for (i = 0; i < g->n; i++)
		n += g->req[i].answered && !strcmp(g->req[i].initstate, "live");
	return n;
}

/* "62 x EBUSY, 1 x 0": what happened, when it is not what should have. */
static const char *answers(const struct group *g)
{
	static const char * const silent[] = { "killed", "no answer" };
	int i, err, n, nr[4096 + ARRAY_SIZE(silent)] = {};
	static char text[512];
	size_t len = 0;

	for (i = 0; i < g->n; i++) {
		const struct request *req = &g->req[i];

		if (__atomic_load_n(&req->answered, __ATOMIC_ACQUIRE))
			nr[req->err & 4095]++;
		else
			nr[4096 + !req->killed]++;
	}

	text[0] = '\0';
	for (err = 0; err < (int)ARRAY_SIZE(nr); err++) {
		n = nr[err];
		if (n && len < sizeof(text))
			len += snprintf(text + len, sizeof(text) - len,
					"%s%d x %s", len ? ", " : "", n,
					err < 4096 ? errno_name(err) :
						     silent[err - 4096]);
	}
	return text;
}

/* One line for each row of the contract, to compare kernels by. */
static void tell(const char *row, enum way way, const struct group *g)
{
	static const char * const ways[] = {
		[INIT_MODULE] = "init_module", [ONE_FILE] = "one file",
		[COPIES] = "copies", [MIXED] = "init_module and copies",
		[REMOVAL] = "delete_module",
	};

	fprintf(TH_LOG_STREAM, "# contract: %s (%s): %s\n", row, ways[way],
		answers(g));
}

/*
 * The requests of @a and, unless it is NULL, of @b have loaded their module
 * once, and each of them was answered when it was live.
 */
static void expect_success(struct __test_metadata *_metadata,
			   const struct group *a, const struct group *b)
{
	static const struct group nobody;
	int n, zeros, eexists, live;

	if (!b)
		b = &nobody;
	n = count_alive(a) + count_alive(b);
	zeros = count_err(a, 0) + count_err(b, 0);
	eexists = count_err(a, EEXIST) + count_err(b, EEXIST);
	live = count_live(a) + count_live(b);

	EXPECT_TRUE(zeros == 1 && eexists == n - 1) {
		TH_LOG("wanted: 1 x 0, %d x EEXIST", n - 1);
		TH_LOG("got: %s", answers(a));
		if (b->n)
			TH_LOG("and: %s", answers(b));
	}
	EXPECT_EQ(n, live)
		TH_LOG("%d answers before the module was live", n - live);
}

static void expect_all(struct __test_metadata *_metadata,
		       const struct group *g, int err)
{
	EXPECT_EQ(count_alive(g), count_err(g, err)) {
		TH_LOG("wanted: %d x %s", count_alive(g), errno_name(err));
		TH_LOG("got: %s", answers(g));
	}
}

static void assert_answered(struct __test_metadata *_metadata, struct pl *pl,
			    const struct group *g)
{
	ASSERT_TRUE(comes_true(pl, count_answered(g) == count_alive(g)))
		TH_LOG("still waiting: %s", answers(g));
}

/* Let @g go and see them all asleep in the call. */
static void assert_asleep(struct __test_metadata *_metadata, struct pl *pl,
			  const struct group *g)
{
	release(_metadata, g);
	ASSERT_TRUE(all_fall_asleep(pl, g))
		TH_LOG("%d of %d asleep in the call: %s", count_asleep(g),
		       count_alive(g), answers(g));
}

/* Let the one request in @g go and see it stand in the gate. */
static void assert_in_gate(struct __test_metadata *_metadata, struct pl *pl,
			   const struct group *g, int gate)
{
	ASSERT_TRUE(set_gate(gate, "reset"));
	ASSERT_TRUE(set_gate(gate, "close"));
	release(_metadata, g);
	ASSERT_TRUE(comes_true(pl, read_gate(gate).inside || all_answered(g)));
	ASSERT_EQ(1, read_gate(gate).inside)
		TH_LOG("not in its gate: %s", answers(g));
}

/*
 * Bring it to the moment that most of the tests are about: one request stands
 * in gate 0 in pl_gate's init function, n - 1 others sleep in the system call.
 */
static void hold(struct __test_metadata *_metadata, struct pl *pl, int n,
		 enum way way, const char *first_params,
		 const char *rest_params, struct group *first,
		 struct group *rest)
{
	*first = gather(_metadata, pl, 1, "pl_gate", way, first_params);
	*rest = gather(_metadata, pl, n - 1, "pl_gate", way, rest_params);

	assert_in_gate(_metadata, pl, first, 0);
	assert_asleep(_metadata, pl, rest);
	EXPECT_EQ(0, count_answered(first));
}

static void let_go(struct __test_metadata *_metadata, struct pl *pl,
		   const struct group *first, const struct group *rest)
{
	ASSERT_TRUE(set_gate(0, "open"));
	assert_answered(_metadata, pl, first);
	assert_answered(_metadata, pl, rest);
}

/*
 * No module was laid out in vain since setup, or since this was last asked. Says
 * nothing on a kernel without MODULE_STATS; there, a storm skips.
 */
static void expect_nothing_in_vain(struct __test_metadata *_metadata,
				   struct pl *pl)
{
	long long now = bytes_in_vain();

	EXPECT_EQ(0, now - pl->in_vain)
		TH_LOG("%lld bytes of images laid out in vain (MODULE_STATS)",
		       now - pl->in_vain);
	pl->in_vain = now;
}

/* Setup and teardown */

static bool pack_up(struct pl *pl, const char *spared)
{
	int i;

	for (i = 0; i < pl->used; i++)
		if (pl->req[i].pid)
			kill(pl->req[i].pid, SIGKILL);
	if (pl->cgroup[0])
		set_frozen(pl, "0");
	open_all_gates();
	for (i = 0; i < pl->used; i++)
		if (!comes_true(pl, reap(&pl->req[i])))
			return false;
	if (pl->cgroup[0] && !comes_true(pl, !rmdir(pl->cgroup)))
		return false;
	pl->cgroup[0] = '\0';
	return modules_are_disabled() ||
	       comes_true(pl, unload_all_but(spared));
}

/* Looks again if as much init memory of an earlier test's went meanwhile. */
static bool ctl_is_seen_to_come(struct pl *pl, const struct image *ctl, int *err)
{
	pl->module_memory = module_memory();
	*err = load(ctl->data, ctl->len, "");
	if (*err || module_memory() > pl->module_memory)
		return true;
	unload(CTL);
	return false;
}

static void setup(struct __test_metadata *_metadata, struct pl *pl)
{
	const struct image *ctl;
	bool grown;
	int err;

	pl->cannot = why_not(pl);
	if (pl->cannot)
		return;

	/* A test that ran into the harness's time limit had no teardown. */
	set_deadline(pl, TEARDOWN_LIMIT);
	ASSERT_TRUE(pack_up(pl, NULL))
		TH_LOG("modules of an earlier test cannot be unloaded");

	pl->req = mmap(NULL, MAX_REQUESTS * sizeof(*pl->req),
		       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, pl->req);

	ctl = get_image(pl, CTL);
	ASSERT_NE(NULL, ctl);
	pl->in_vain = bytes_in_vain();
	/* Where it does not see a module come, it would not see one stay. */
	grown = comes_true(pl, ctl_is_seen_to_come(pl, ctl, &err));
	switch (err) {
	case 0:
		break;
	case ENOEXEC:
		pl->cannot = CTL ".ko is for another kernel: build test_modules";
		return;
	case EKEYREJECTED:
	case EPERM:
		pl->cannot = "this kernel loads signed modules only";
		return;
	default:
		ASSERT_EQ(0, err) TH_LOG(CTL ": %s", strerror(err));
	}

	ASSERT_TRUE(grown)
		TH_LOG("no module memory seen in /proc/vmallocinfo");

	set_deadline(pl, TEST_LIMIT);
}

static void teardown(struct __test_metadata *_metadata, struct pl *pl)
{
	if (pl->cannot)
		return;
	set_deadline(pl, TEARDOWN_LIMIT);

	EXPECT_TRUE(pack_up(pl, CTL))
		TH_LOG("requests or modules cannot be got rid of");
	if (modules_are_disabled()) {
		TH_LOG("modules_disabled is set: modules stay until a reboot");
		return;
	}
	EXPECT_EQ(0, references(CTL));
	EXPECT_TRUE(comes_true(pl, unload_all_but(NULL)))
		TH_LOG("modules are still loaded");

	/* Less will do: someone else's init memory may have been on its way. */
	comes_true(pl, module_memory() <= pl->module_memory);
	EXPECT_GE(pl->module_memory, module_memory())
		TH_LOG("module memory is still held");
}

#endif /* PL_REQUEST_H */
