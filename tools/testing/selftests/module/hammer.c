// SPDX-License-Identifier: GPL-2.0-only
/*
 * parallel_load --hammer SECONDS [--seed N]
 *
 * Processes that load and unload a few modules in every way there is, and kill,
 * stop, continue and interrupt one another, all at random. Each answer is held
 * against a model: hammer_model.c.
 *
 * The n-th thing that a process does depends on the seed, the process and n. The
 * same seed, with the same number of processes, has them all do the same again.
 * How these meet is up to the scheduler, and differs.
 */
#define _GNU_SOURCE
#define __SANE_USERSPACE_TYPES__	/* __u64 is unsigned long long */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/types.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest.h"
#include "hammer.h"
#include "hammer_model.h"

#define TEST_NAME	"hammer.every_answer_keeps_the_contract"

#define MAX_SECONDS	(7 * 24 * 3600)

/* Seconds */
#define HANG		60
#define PROGRESS	10
#define GOODBYE		30

/* Who sends a signal may be stopped between that and the note of it. */
#define SLACK		(5 * SEC)

/* A process that has been as far as before for so long may have been stopped. */
#define STALE		(250 * MSEC)

/* What is in fashion changes after so many decisions. */
#define MOOD		32

#define LAST_EVENTS	8

#ifndef MODULE_INIT_COMPRESSED_FILE
#define MODULE_INIT_COMPRESSED_FILE	4
#endif

static const char * const way_names[] = { "init_module", "one file", "a copy" };

#define ANY_ERROR	(-1)

struct kind kinds[] = {
	{ "good", GOOD, "", .weight = 30 },
	{ "good, tag 1", GOOD, "tag=1", .tag = 1, .weight = 10 },
	{ "good, killable", GOOD, "tag=2 killable=1", .tag = 2, .weight = 10 },
	{ "refused", GOOD, "tag=3 ret=-19", .tag = 3, .alone = ENODEV,
	  .refused = true, .weight = 14 },
	{ "refused, killable", GOOD, "tag=4 ret=-6 killable=1", .tag = 4,
	  .alone = ENXIO, .refused = true, .weight = 8 },
	{ "bad parameter", GOOD, "tag=x", .alone = EINVAL, .weight = 3 },
	{ "bad symbol", BAD_SYMBOL, "", .alone = ENOENT, .weight = 3 },
	{ "bad vermagic", BAD_MAGIC, "", .alone = ENOEXEC, .weight = 3 },
	{ "cut short", CUT, "", .alone = ENOEXEC, .weight = 2 },
	{ "unreadable", UNREADABLE, "", .alone = EFAULT, .weight = 3 },
	{ "not compressed", GOOD, "", .flags = MODULE_INIT_COMPRESSED_FILE,
	  .alone = ANY_ERROR, .weight = 3 },
};

static const struct {
	const char *name;
	unsigned int weight;
} ops[] = {
	[LOAD] = { "load", 600 }, [UNLOAD] = { "unload", 200 },
	[KILL] = { "kill", 20 }, [STOP] = { "stop and continue", 40 },
	[STAY_STOPPED] = { "stop", 4 }, [CONTINUE] = { "continue", 16 },
	[RESTART] = { "SIGUSR1", 30 }, [INTERRUPT] = { "SIGUSR2", 30 },
	[DELAY] = { "delay", 5 }, [REST] = { "rest", 40 },
};

struct shared *shared;
int nr_hammerers;

static struct pl pl;
static pid_t pids[MAX_HAMMERERS];
static __u64 seed, t0;

static struct hammerer *me;

__u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SEC + t.tv_nsec;
}

static void sleep_us(unsigned int us)
{
	const struct timespec t = {
		.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000,
	};

	nanosleep(&t, NULL);
}

/* Decisions */

/* Every bit of the result depends on every bit of @x: Steele's SplitMix64. */
static __u64 mix(__u64 x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static unsigned int draw(__u64 *state, unsigned int below)
{
	*state += 0x9e3779b97f4a7c15ULL;
	return (mix(*state) >> 32) % below;
}

static enum op draw_op(__u64 *state)
{
	unsigned int sum = 0, at;
	int op;

	for (op = 0; op < NR_OPS; op++)
		sum += ops[op].weight;
	at = draw(state, sum);
	for (op = 0; at >= ops[op].weight; op++)
		at -= ops[op].weight;
	return op;
}

static int draw_kind(__u64 *state)
{
	unsigned int sum = 0, at;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		sum += kinds[i].weight;
	at = draw(state, sum);
	for (i = 0; at >= kinds[i].weight; i++)
		at -= kinds[i].weight;
	return i;
}

static bool goes(const struct kind *kind, enum way way)
{
	if (way == INIT_MODULE)
		return !kind->flags;
	return kind->picture != UNREADABLE;
}

static int draw_name(__u64 *state)
{
	/* A crowd at one of them, and some distance. */
	static const int names[] = { OWNER, OWNER, OWNER, OWNER, USER, USER, 1, 2, 3 };

	return names[draw(state, ARRAY_SIZE(names))];
}

/* A pure function: who is killed in the middle of it has missed nothing. */
static struct decision decide(int process, __u64 nr)
{
	static const unsigned int delays[] = { 0, 0, 100, 300, 1000, 3000, 10000, 30000 };
	__u64 state = mix(seed + mix(process + mix(nr)));
	__u64 mood = mix(seed + mix(nr / MOOD));
	struct decision d = { .op = draw_op(&state) };
	int name = draw_name(&mood), kind = draw_kind(&mood);

	/* Often what all ask for, at about the same time. */
	d.name = draw(&state, 2) ? draw_name(&state) : name;
	d.kind = draw(&state, 2) ? draw_kind(&state) : kind;
	do
		d.way = draw(&state, NR_WAYS);
	while (!goes(&kinds[d.kind], d.way));
	d.other = (process + 1 + draw(&state, nr_hammerers - 1)) % nr_hammerers;
	if (d.op == DELAY)
		d.us = delays[draw(&state, ARRAY_SIZE(delays))];
	else
		d.us = draw(&state, 3) ? draw(&state, 3000) : 0;
	return d;
}

/* The processes */

static void note_interruption(int sig)
{
	(void)sig;
	__atomic_add_fetch(&me->handled, 1, __ATOMIC_RELEASE);
}

static void do_nothing(int sig)
{
	(void)sig;
}

static int request(const struct decision *d, int process)
{
	const struct timeline *t = &timelines[d->name];
	const struct kind *kind = &kinds[d->kind];
	const struct image *image = t->image[kind->picture];
	int fd;

	if (d->op == UNLOAD)
		return unload(t->image[GOOD]->name);
	if (d->way == INIT_MODULE)
		return load(image->data, image->len, kind->params);
	fd = d->way == COPY ? t->copy[kind->picture][process] : image->fd;
	return syscall(__NR_finit_module, fd, kind->params, kind->flags) ? errno : 0;
}

static void send_signal(int process, int sig)
{
	struct hammerer *other = &shared->hammerer[process];
	pid_t pid = __atomic_load_n(&other->pid, __ATOMIC_ACQUIRE);

	if (!pid)
		return;
	__atomic_store_n(&other->signal, now(), __ATOMIC_RELEASE);
	kill(pid, sig);
	__atomic_store_n(&other->signal, now(), __ATOMIC_RELEASE);
}

static void act(const struct decision *d, int process)
{
	static const int signals[] = {
		[KILL] = SIGKILL, [STOP] = SIGSTOP, [STAY_STOPPED] = SIGSTOP,
		[CONTINUE] = SIGCONT, [RESTART] = SIGUSR1, [INTERRUPT] = SIGUSR2,
	};
	char text[16];

	switch (d->op) {
	case LOAD:
	case UNLOAD:
		me->now.err = request(d, process);
		break;
	case DELAY:
		snprintf(text, sizeof(text), "%u", d->us);
		write_file(DELAY_FILE, text);
		break;
	case REST:
		sleep_us(d->us);
		break;
	case STOP:
		send_signal(d->other, SIGSTOP);
		sleep_us(d->us);
		send_signal(d->other, SIGCONT);
		break;
	default:
		send_signal(d->other, signals[d->op]);
	}
}

/* Only by the process, or, when that is dead, by the one that checks. */
static void put_event(struct hammerer *h)
{
	h->ring[h->events % RING] = h->now;
	__atomic_store_n(&h->events, h->events + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&h->busy, false, __ATOMIC_RELEASE);
}

static void do_next(int process)
{
	__u64 handled;

	me->now = (struct event){
		.nr = me->next, .pid = getpid(), .what = decide(process, me->next),
	};
	/* Before it is busy: nobody does the same thing twice. */
	__atomic_store_n(&me->next, me->next + 1, __ATOMIC_RELEASE);
	handled = __atomic_load_n(&me->handled, __ATOMIC_ACQUIRE);
	me->now.start = now();
	__atomic_store_n(&me->busy, true, __ATOMIC_RELEASE);

	act(&me->now.what, process);

	me->now.end = now();
	me->now.interrupted = __atomic_load_n(&me->handled, __ATOMIC_ACQUIRE) != handled;
	me->now.signalled = __atomic_load_n(&me->signal, __ATOMIC_ACQUIRE) + SLACK >
			    me->now.start;
	put_event(me);
}

/* Does not return. */
static void be_hammerer(int process, pid_t parent)
{
	struct sigaction act = { .sa_handler = note_interruption };

	me = &shared->hammerer[process];
	sigaction(SIGUSR2, &act, NULL);
	act.sa_handler = do_nothing;
	act.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &act, NULL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(1);

	__atomic_store_n(&me->pid, getpid(), __ATOMIC_RELEASE);
	while (!__atomic_load_n(&shared->stop, __ATOMIC_ACQUIRE)) {
		if (me->events - __atomic_load_n(&me->checked, __ATOMIC_ACQUIRE) >=
		    RING / 2)
			sleep_us(1000);
		else
			do_next(process);
	}
	_exit(0);
}

static bool start_hammerer(int process)
{
	pid_t self = getpid(), pid;

	pid = fork();
	if (!pid)
		be_hammerer(process, self);
	/* It tells the others itself, when it can be sent a signal. */
	pids[process] = pid;
	if (pid > 0)
		return true;
	problem(0, NULL, "fork: %s", strerror(errno));
	return false;
}

double seconds(__u64 time)
{
	return (double)(long long)(time - t0) / SEC;
}

void print_event(const char *prefix, int process, const struct event *e)
{
	const struct decision *d = &e->what;

	printf("# %s%.6f-%.6f process %d (%d) #%llu: %s", prefix,
	       seconds(e->start), seconds(e->end), process, e->pid, e->nr,
	       ops[d->op].name);
	switch (d->op) {
	case LOAD:
		printf(" %s by %s, %s", timelines[d->name].image[GOOD]->name,
		       way_names[d->way], kinds[d->kind].name);
		break;
	case UNLOAD:
		printf(" %s", timelines[d->name].image[GOOD]->name);
		break;
	case DELAY:
		printf(" %u us", d->us);
		break;
	case REST:
		break;
	default:
		printf(" process %d", d->other);
	}
	if (d->op == LOAD || d->op == UNLOAD)
		printf(": %s%s", e->err == KILLED ? "killed" : errno_name(e->err),
		       e->interrupted ? ", interrupted" :
		       e->signalled ? ", signalled" : "");
	printf("\n");
}

/* The one that checks */

/* Who was killed in the middle of a request has an end, if no answer. */
static void bury(int process)
{
	struct hammerer *h = &shared->hammerer[process];
	const struct event *last = &h->ring[(h->events - 1) % RING];

	__atomic_store_n(&h->pid, 0, __ATOMIC_RELEASE);
	if (!h->busy)
		return;
	/* Or had just put it down. */
	if (h->events && last->nr == h->now.nr) {
		h->busy = false;
		return;
	}
	h->now.end = now();
	h->now.err = KILLED;
	put_event(h);
}

static int count_alive(void)
{
	int i, n = 0;

	for (i = 0; i < nr_hammerers; i++)
		n += pids[i] > 0;
	return n;
}

/* Those who are not there any more get a successor, until the time is up. */
static void reap(bool respawn)
{
	int i, status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (i = 0; i < nr_hammerers && pids[i] != pid; i++)
			;
		if (i == nr_hammerers)
			continue;
		pids[i] = 0;
		bury(i);
		if (respawn && !start_hammerer(i))
			return;
	}
}

/*
 * Whoever has stopped a process may have been killed or stopped since. It does
 * no harm to one that is not stopped.
 */
static void continue_stale(void)
{
	static __u64 last, next[MAX_HAMMERERS];
	int i;

	if (now() < last + STALE)
		return;
	last = now();
	for (i = 0; i < nr_hammerers; i++) {
		const struct hammerer *h = &shared->hammerer[i];
		__u64 n = __atomic_load_n(&h->next, __ATOMIC_ACQUIRE);

		if (n == next[i] && pids[i] > 0) {
			figures.stopped += task_state(pids[i]) == 'T';
			kill(pids[i], SIGCONT);
		}
		next[i] = n;
	}
}

static void print_file(int process, const char *name)
{
	char path[64], text[4096], *line, *rest;

	snprintf(path, sizeof(path), "/proc/%d/%s", pids[process], name);
	if (!read_file(path, text, sizeof(text)))
		snprintf(text, sizeof(text), "cannot be read: %s", strerror(errno));
	for (rest = text; (line = strsep(&rest, "\n"));)
		printf("#     %s: %s\n", name, line);
}

static void print_processes(void)
{
	int i;

	for (i = 0; i < nr_hammerers; i++) {
		const struct hammerer *h = &shared->hammerer[i];
		struct event e = h->now;

		if (!pids[i])
			continue;
		printf("#   process %d (%d), state %c, %s:\n", i, pids[i],
		       task_state(pids[i]), h->busy ? "busy with" : "last at");
		e.end = now();
		e.err = KILLED;
		print_event("  ", i, &e);
		print_file(i, "wchan");
		print_file(i, "syscall");
		print_file(i, "stack");
	}
}

/* Does everybody who makes a request get an answer? */
static bool watch(void)
{
	__u64 t = now();
	int i;

	for (i = 0; i < nr_hammerers; i++) {
		const struct hammerer *h = &shared->hammerer[i];
		struct event e = h->now;

		if (!__atomic_load_n(&h->busy, __ATOMIC_ACQUIRE) || pids[i] <= 0 ||
		    e.nr != h->now.nr || e.start + HANG * SEC > t)
			continue;
		problem(0, NULL, "process %d (%d) has had no answer for %.0f s", i,
			pids[i], (double)(t - e.start) / SEC);
	}
	if (problems)
		print_processes();
	return !problems;
}

static __u64 sum_errs(enum op op)
{
	__u64 sum = figures.killed[op];
	int err;

	for (err = 0; err < 4096; err++)
		sum += figures.errs[op][err];
	return sum;
}

static void print_progress(unsigned int limit)
{
	printf("# hammer: %.0f s of %u: %llu requests, %llu loads, %llu merged, %llu kills\n",
	       seconds(now()), limit, sum_errs(LOAD) + sum_errs(UNLOAD), figures.errs[LOAD][0],
	       figures.merged, figures.counted[KILL]);
}

static void print_errs(enum op op, const char *what)
{
	int err;

	printf("# hammer: %s: %llu", what, sum_errs(op));
	for (err = 0; err < 4096; err++)
		if (figures.errs[op][err])
			printf(", %llu x %s", figures.errs[op][err],
			       errno_name(err));
	printf(", %llu killed\n", figures.killed[op]);
}

static void print_figures(void)
{
	print_errs(LOAD, "requests to load");
	print_errs(UNLOAD, "requests to unload");
	printf("# hammer: requests: %llu\n", sum_errs(LOAD) + sum_errs(UNLOAD));
	printf("# hammer: loads: %llu\n", figures.errs[LOAD][0]);
	printf("# hammer: merged: %llu\n", figures.merged);
	printf("# hammer: kills: %llu\n", figures.counted[KILL]);
	printf("# hammer: stops: %llu, %llu of them long\n",
	       figures.counted[STOP] + figures.counted[STAY_STOPPED],
	       figures.stopped);
	printf("# hammer: interruptions: %llu, %llu of them to be restarted\n",
	       figures.counted[RESTART] + figures.counted[INTERRUPT],
	       figures.counted[RESTART]);
	printf("# hammer: problems: %d\n", problems);
}

static void print_last_events(void)
{
	int i;

	printf("# hammer: the last of each process, at %.6f:\n", seconds(now()));
	for (i = 0; i < nr_hammerers; i++) {
		const struct hammerer *h = &shared->hammerer[i];
		__u64 n = h->events < LAST_EVENTS ? 0 : h->events - LAST_EVENTS;

		for (; n < h->events; n++)
			print_event("  ", i, &h->ring[n % RING]);
	}
}

/* Until all is said and done, or goes wrong. */
static void hammer_away(unsigned int limit)
{
	__u64 over = t0 + limit * SEC, progress = t0 + PROGRESS * SEC;
	int i;

	for (i = 0; i < nr_hammerers; i++)
		if (!start_hammerer(i))
			break;

	while (!problems && count_alive()) {
		bool go_on = now() < over;

		__atomic_store_n(&shared->stop, !go_on, __ATOMIC_RELEASE);
		reap(go_on);
		check_events();
		continue_stale();
		if (problems || !watch())
			break;
		if (now() >= progress) {
			print_progress(limit);
			progress += PROGRESS * SEC;
		}
		nap();
	}
}

/* Whoever is left. False: the kernel does not let them go. */
static bool get_rid_of_all(void)
{
	int i;

	__atomic_store_n(&shared->stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < nr_hammerers; i++)
		if (pids[i] > 0)
			kill(pids[i], SIGKILL);
	set_deadline(&pl, GOODBYE);
	if (comes_true(&pl, (reap(false), !count_alive())))
		return true;
	problem(0, NULL, "%d processes cannot be killed", count_alive());
	print_processes();
	return false;
}

/* Setting up */

static bool unload_names(void)
{
	bool clean = true;
	int i;

	/* The one that needs another comes first. */
	for (i = NR_NAMES - 1; i >= 0; i--) {
		char name[16];

		snprintf(name, sizeof(name), "pl_hit%d", i);
		unload(name);
		clean &= !is_loaded(name);
	}
	return clean;
}

/* What they are made out of. */
static const char * const sources[NR_NAMES] = {
	"pl_hit0", "pl_hit1", "pl_hit1", "pl_hit1", "pl_hit4",
};

static struct image *picture(int nr, enum picture picture)
{
	struct image *image = make_image(&pl, sources[nr]);
	char *symbol, name[16];

	snprintf(name, sizeof(name), "pl_hit%d", nr);
	if (!image || (strcmp(image->name, name) && !rename_module(image, name)))
		return NULL;
	switch (picture) {
	case BAD_MAGIC:
		if (!spoil_vermagic(image))
			return NULL;
		break;
	case BAD_SYMBOL:
		symbol = find_text(image, ".strtab", "pl_log_run");
		if (!symbol)
			return NULL;
		*symbol = '?';
		break;
	case CUT:
		image->len /= 2;
		break;
	case UNREADABLE:
		image->data = map_to_end(image->data, image->len);
		image->len++;
		return image->data ? image : NULL;
	default:
		break;
	}
	return give_file(image) ? image : NULL;
}

static bool make_pictures(void)
{
	int name, i, n;

	for (name = 0; name < NR_NAMES; name++) {
		struct timeline *t = &timelines[name];

		for (i = 0; i < NR_PICTURES; i++) {
			t->image[i] = picture(name, i);
			if (!t->image[i])
				return false;
			for (n = 0; n < nr_hammerers && i != UNREADABLE; n++) {
				t->copy[i][n] = open_copy(t->image[i]);
				if (t->copy[i][n] < 0)
					return false;
			}
		}
	}
	return true;
}

/* What is each kind of request answered when nobody else is about? */
static bool ask_alone(void)
{
	struct decision d = { .op = LOAD };

	for (d.kind = 0; d.kind < (int)ARRAY_SIZE(kinds); d.kind++) {
		struct kind *kind = &kinds[d.kind];

		for (d.way = 0; d.way < NR_WAYS; d.way++) {
			int err;

			if (!goes(kind, d.way))
				continue;
			err = request(&d, 0);
			if (!err)
				unload_names();
			if (kind->alone == ANY_ERROR && err)
				kind->alone = err;
			if (err == kind->alone)
				continue;
			problem(0, NULL, "%s by %s, alone, gets errno %d in place of %d",
				kind->name, way_names[d.way], err, kind->alone);
			return false;
		}
	}
	/* From here on. */
	if (!open_log())
		problem(0, NULL, "cannot read " LOG_FILE ": %s", strerror(errno));
	return !problems;
}

/* NULL, or what is missing. */
static const char *set_up(void)
{
	const struct image *log = get_image(&pl, LOG);
	struct rlimit files;
	int i;

	for (i = 0; i < NR_NAMES; i++)
		if (!log || !get_image(&pl, sources[i]))
			return "no " LOG ".ko or pl_hit*.ko: build test_modules";
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (!make_pictures())
		return "cannot make images and files of them: is /tmp full?";
	unload_names();
	unload(LOG);
	pl.module_memory = module_memory();
	if (load(log->data, log->len, ""))
		return LOG ".ko cannot be loaded: is it for another kernel, or in use?";
	if (!open_log())
		return "no " LOG_FILE ": needs debugfs, mounted";
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED ? "out of memory" : NULL;
}

static void clean_up(void)
{
	set_deadline(&pl, GOODBYE);
	if (!comes_true(&pl, unload_names()))
		problem(0, NULL, "modules cannot be unloaded");
	if (references(LOG))
		problem(0, NULL, LOG " has %d references left", references(LOG));
	if (!comes_true(&pl, (unload(LOG), !is_loaded(LOG))))
		problem(0, NULL, LOG " cannot be unloaded");
	if (!comes_true(&pl, module_memory() <= pl.module_memory))
		problem(0, NULL, "module memory is still held: %lu bytes",
			module_memory() - pl.module_memory);
}

static int skip(const char *why)
{
	unload(LOG);
	printf("ok 1 " TEST_NAME " # SKIP %s\n", why);
	return KSFT_SKIP;
}

static int hammer_for(unsigned int limit)
{
	const char *why = why_not(&pl);

	setvbuf(stdout, NULL, _IOLBF, 0);
	nr_hammerers = sysconf(_SC_NPROCESSORS_ONLN) * 3 / 2;
	if (nr_hammerers < 8)
		nr_hammerers = 8;
	if (nr_hammerers > MAX_HAMMERERS)
		nr_hammerers = MAX_HAMMERERS;

	printf("TAP version 13\n1..1\n");
	printf("# hammer: seed %llu, %u s, %d processes, %d modules\n", seed,
	       limit, nr_hammerers, NR_NAMES);
	why = why ?: set_up();
	if (why)
		return skip(why);
	t0 = now();
	if (ask_alone())
		hammer_away(limit);
	if (get_rid_of_all()) {
		if (!problems) {
			check_events();
			check_leftovers();
		}
		clean_up();
	}
	print_figures();
	if (problems) {
		print_last_events();
		printf("# hammer: to try the same again: --hammer %u --seed %llu\n", limit, seed);
	}
	printf("%sok 1 " TEST_NAME "\n", problems ? "not " : "");
	return problems ? KSFT_FAIL : KSFT_PASS;
}

/* Options */

static const char usage[] =
	"usage: parallel_load --hammer SECONDS [--seed N]\n"
	"  SECONDS  how long, from 1 to 604800\n"
	"  N        where the random numbers start, by default somewhere\n";

static bool parse(const char *text, __u64 least, __u64 most, __u64 *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 0);
	return *text >= '0' && *text <= '9' && !*end && !errno && *value >= least &&
	       *value <= most;
}

/* The harness has options of its own, and none like these. */
bool hammer_wanted(char **argv)
{
	while (*++argv)
		if (!strncmp(*argv, "--hammer", 8) || !strncmp(*argv, "--seed", 6))
			return true;
	return false;
}

int hammer_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "hammer", required_argument, NULL, 'h' },
		{ "seed", required_argument, NULL, 's' },
		{ }
	};
	__u64 limit = 0;
	int opt;

	seed = mix(now() + getpid()) >> 32;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'h' && !parse(optarg, 1, MAX_SECONDS, &limit)) {
			fprintf(stderr, "parallel_load: --hammer %s: not a number of seconds\n",
				optarg);
			opt = '?';
		} else if (opt == 's' && !parse(optarg, 0, ULLONG_MAX, &seed)) {
			fprintf(stderr, "parallel_load: --seed %s: not a number\n", optarg);
			opt = '?';
		}
		if (opt == '?')
			goto bad;
	}
	if (optind < argc) {
		fprintf(stderr, "parallel_load: %s: the hammer has no such argument\n",
			argv[optind]);
		goto bad;
	}
	if (!limit) {
		fprintf(stderr, "parallel_load: --seed without --hammer\n");
		goto bad;
	}
	return hammer_for(limit);
bad:
	fputs(usage, stderr);
	return KSFT_FAIL;
}
