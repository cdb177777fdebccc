// SPDX-License-Identifier: GPL-2.0-only
/*
 * The model of the hammer: can an answer be true?
 *
 * It goes by the log of pl_log: every init and exit function says there who runs
 * it, from when to when, and what it returns. Every request notes when it was
 * made and when it was answered, by the same clock. So, of the module that a
 * request is about:
 *
 *  - its functions run one after the other: init, which may fail, and after one
 *    that did not, exit;
 *  - whoever ran init is answered with what that returned, and nobody else gets 0;
 *  - it is live at most from the end of an init function to the start of exit,
 *    and EEXIST has to meet such a time;
 *  - what an init function refused, others are answered as well, if they asked
 *    with the same parameters and not after that load was over;
 *  - EINTR takes a signal handler that ends system calls, or an init function
 *    that gave up for a signal;
 *  - ENOENT, for the module that needs a symbol of another, takes that this one
 *    was not live all the time;
 *  - any other errno is what the same request is answered when nobody else is
 *    about, which is tried before all else.
 *
 * A process that is killed takes its answer with it. That is no gap: whether its
 * init function ran is in the log.
 */
#define _GNU_SOURCE
#define __SANE_USERSPACE_TYPES__	/* __u64 is unsigned long long */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../kselftest.h"
#include "hammer_model.h"
#include "test_modules/pl_log.h"

/* Nothing that a load has to do after its init function takes as long. */
#define TAIL		(10 * SEC)

#define MAX_PROBLEMS	10

struct figures figures;
struct timeline timelines[NR_NAMES];
int problems;

static int log_fd = -1;
static __u64 log_read;

/* What is known of a module goes back to here. */
static __u64 oldest_run(const struct timeline *t)
{
	return t->runs < RUNS ? 0 : t->runs - RUNS;
}

static void print_run(const struct run *run)
{
	printf("#   %.6f", seconds(run->start));
	if (run->end == NEVER)
		printf("- %s by %d, tag %d: still running\n",
		       run->exit ? "exit" : "init", run->pid, run->tag);
	else
		printf("-%.6f %s by %d, tag %d: %s\n", seconds(run->end),
		       run->exit ? "exit" : "init", run->pid, run->tag,
		       errno_name(-run->ret));
}

static void print_runs(int name, __u64 start)
{
	const struct timeline *t = &timelines[name];
	__u64 i = t->runs, before = 0;

	while (i > oldest_run(t) && before < 3) {
		i--;
		before += t->run[i % RUNS].end < start;
	}
	printf("#  what has run of %s:\n", t->image[GOOD]->name);
	if (t->runs - i > 40)
		i = t->runs - 40;
	for (; i < t->runs; i++)
		print_run(&t->run[i % RUNS]);
}

void problem(int process, const struct event *e, const char *fmt, ...)
{
	va_list ap;

	if (++problems > MAX_PROBLEMS)
		return;
	printf("# hammer: wrong: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	if (e) {
		print_event(" ", process, e);
		print_runs(e->what.name, e->start);
	}
}

/* The log */

static int find_name(const char *name)
{
	int i;

	for (i = 0; i < NR_NAMES; i++)
		if (!strcmp(timelines[i].image[GOOD]->name, name))
			return i;
	return -1;
}

static void note_start(int name, const struct pl_log_entry *entry)
{
	struct timeline *t = &timelines[name];
	const struct run *last = &t->run[(t->runs - 1) % RUNS];
	bool exit = entry->flags & PL_LOG_EXIT;

	if (t->runs && last->end == NEVER) {
		problem(0, NULL, "two functions of %s run at the same time, by %d and %d",
			t->image[GOOD]->name, last->pid, entry->pid);
		print_runs(name, entry->time);
	}
	if (exit != t->live) {
		problem(0, NULL, "%s of %s runs, by %d, when it is %s",
			exit ? "exit" : "init", t->image[GOOD]->name, entry->pid,
			t->live ? "live" : "not live");
		print_runs(name, entry->time);
	}
	if (exit)
		t->live = false;
	t->run[t->runs++ % RUNS] = (struct run){
		.start = entry->time, .end = NEVER, .answered = NEVER,
		.pid = entry->pid, .tag = entry->tag, .exit = exit,
	};
}

static void note_end(int name, const struct pl_log_entry *entry)
{
	struct timeline *t = &timelines[name];
	__u64 i, oldest = oldest_run(t);

	for (i = t->runs; i-- > oldest;) {
		struct run *run = &t->run[i % RUNS];

		if (run->pid != entry->pid || run->end != NEVER)
			continue;
		run->end = entry->time;
		run->ret = entry->ret;
		if (!run->exit && !run->ret)
			t->live = true;
		return;
	}
	problem(0, NULL, "a function of %s ends, in %d, that never began",
		t->image[GOOD]->name, entry->pid);
}

static bool read_at(void *to, size_t len, off_t offset)
{
	return pread(log_fd, to, len, offset) == (ssize_t)len;
}

/* From here on: what has run before is nobody's. */
bool open_log(void)
{
	if (log_fd >= 0)
		close(log_fd);
	log_fd = open(LOG_FILE, O_RDONLY | O_CLOEXEC);
	return log_fd >= 0 && read_at(&log_read, sizeof(log_read), 0);
}

/* All that has run, up to now, of which a request may have been answered. */
static void read_log(void)
{
	static struct pl_log_entry entry[256];
	__u64 written;

	if (!read_at(&written, sizeof(written), 0)) {
		problem(0, NULL, "cannot read " LOG_FILE ": %s", strerror(errno));
		return;
	}
	if (written - log_read > PL_LOG_SIZE / 2) {
		problem(0, NULL, "the log has run over, for this machine is too slow");
		return;
	}
	while (log_read < written) {
		__u64 first = log_read % PL_LOG_SIZE, i;
		__u64 n = written - log_read;

		if (n > ARRAY_SIZE(entry))
			n = ARRAY_SIZE(entry);
		if (n > PL_LOG_SIZE - first)
			n = PL_LOG_SIZE - first;
		if (!read_at(entry, n * sizeof(*entry),
			     offsetof(struct pl_log, entry) + first * sizeof(*entry))) {
			problem(0, NULL, "cannot read " LOG_FILE ": %s", strerror(errno));
			return;
		}
		for (i = 0; i < n; i++) {
			int name = find_name(entry[i].name);

			if (name < 0)
				continue;
			if (entry[i].flags & PL_LOG_END)
				note_end(name, &entry[i]);
			else
				note_start(name, &entry[i]);
		}
		log_read += n;
	}
}

/* The model */

/*
 * The one before number *@i, if it ended at @since or later: from number
 * t->runs on, this gives all of these, the newest first, and NULL.
 */
static struct run *run_before(struct timeline *t, __u64 *i, __u64 since)
{
	struct run *run = NULL;

	if (*i > oldest_run(t))
		run = &t->run[--*i % RUNS];
	return run && run->end >= since ? run : NULL;
}

/*
 * Can the module have been live at any time from @start to @end? *since is when
 * that began.
 */
static bool may_be_live(const struct timeline *t, __u64 start, __u64 end,
			__u64 *since)
{
	__u64 i, until = NEVER, oldest = oldest_run(t);

	for (i = t->runs; i > oldest; i--) {
		const struct run *run = &t->run[(i - 1) % RUNS];

		if (run->exit)
			until = run->start;
		if (until < start)
			return false;
		*since = run->end;
		if (!run->exit && !run->ret && run->end <= end)
			return true;
	}
	/* What is older is forgotten. */
	*since = 0;
	return oldest;
}

/* Was it there, in whatever state, all the time from @start to @end? */
static bool was_there(const struct timeline *t, __u64 start, __u64 end)
{
	__u64 i, until = NEVER, oldest = oldest_run(t);

	for (i = t->runs; i > oldest && until >= end; i--) {
		const struct run *run = &t->run[(i - 1) % RUNS];

		if (run->exit)
			until = run->end;
		else if (run->start <= end)
			return run->start <= start && (!run->ret || run->end >= end);
	}
	return false;
}

/* Was it live, without any doubt, all the time from @start to @end? */
static bool was_live(const struct timeline *t, __u64 start, __u64 end)
{
	__u64 i, until = NEVER, oldest = oldest_run(t);

	for (i = t->runs; i > oldest && until > end; i--) {
		const struct run *run = &t->run[(i - 1) % RUNS];

		if (run->exit)
			until = run->asked;
		else if (run->answered <= start)
			return !run->ret;
	}
	return false;
}

/* Was another load, over no sooner than @e began, refused what @e asks for? */
static bool was_refused(struct timeline *t, const struct event *e)
{
	const struct kind *kind = &kinds[e->what.kind];
	const struct run *run;
	__u64 i = t->runs;

	/* Who ran it has more to do before it is over. */
	while ((run = run_before(t, &i, e->start < TAIL ? 0 : e->start - TAIL)))
		if (!run->exit && run->ret == -e->err && run->tag == kind->tag &&
		    run->end <= e->end && run->answered >= e->start)
			return true;
	return false;
}

/* If @a and @b are about the same module at the same time: @first, or the start of @a. */
static __u64 overlap(const struct event *a, const struct event *b, __u64 first)
{
	if (a->start > b->end || b->start > a->end || a->what.name != b->what.name ||
	    a->what.op > UNLOAD)
		return first;
	return a->start < first ? a->start : first;
}

/* When did the first of those begin that were, or are, at it as well? Or NEVER. */
static __u64 first_of_others(int process, const struct event *e)
{
	__u64 first = NEVER, n, oldest;
	int i;

	for (i = 0; i < nr_hammerers; i++) {
		const struct hammerer *h = &shared->hammerer[i];
		bool busy = __atomic_load_n(&h->busy, __ATOMIC_ACQUIRE);
		struct event at = h->now;

		if (i == process)
			continue;
		at.end = NEVER;
		if (busy)
			first = overlap(&at, e, first);
		/* After that: what is not under way any more is in the ring. */
		n = __atomic_load_n(&h->events, __ATOMIC_ACQUIRE);
		oldest = n < RING ? 0 : n - RING;
		while (n > oldest && h->ring[--n % RING].end >= e->start)
			first = overlap(&h->ring[n % RING], e, first);
	}
	return first;
}

/*
 * Can the owner of a symbol not have been there when it was looked for? That may
 * have been done by another load, which asked for the same and is over later.
 */
static bool symbol_may_be_missing(int process, const struct event *e)
{
	const struct kind *kind = &kinds[e->what.kind];
	__u64 first = first_of_others(process, e);

	if (first > e->start)
		first = e->start;
	return e->what.name == USER && kind->picture == GOOD && !kind->flags &&
	       !was_live(&timelines[OWNER], first, e->end);
}

/* Note of each function whose request it was. The number of functions. */
static int own_runs(const struct event *e, struct run **mine)
{
	struct timeline *t = &timelines[e->what.name];
	__u64 i = t->runs;
	struct run *run;
	int n = 0;

	while ((run = run_before(t, &i, e->start))) {
		if (run->pid != e->pid || run->start > e->end)
			continue;
		run->owned = true;
		run->asked = e->start;
		run->answered = e->end;
		*mine = run;
		n++;
	}
	return n;
}

static void check_load(int process, const struct event *e)
{
	struct timeline *t = &timelines[e->what.name];
	const struct kind *kind = &kinds[e->what.kind];
	struct run *mine = NULL;
	__u64 since;
	int n;

	n = own_runs(e, &mine);
	if (n > 1) {
		problem(process, e, "init ran %d times for one request", n);
	} else if (n && mine->exit) {
		problem(process, e, "exit ran for a request to load");
	} else if (n && mine->tag != kind->tag) {
		problem(process, e, "init ran with the parameters of tag %d, not %d",
			mine->tag, kind->tag);
	} else if (e->err == KILLED) {
		return;
	} else if (n && e->err != -mine->ret) {
		problem(process, e, "init returned %s", errno_name(-mine->ret));
	} else if (n) {
		if (mine->ret == -EINTR && !e->signalled)
			problem(process, e, "init was interrupted, and by nobody");
	} else if (!e->err) {
		problem(process, e, "0 without a load: no init function ran");
	} else if (e->err == EEXIST) {
		if (!may_be_live(t, e->start, e->end, &since))
			problem(process, e, "EEXIST, and at no time was the module live");
		figures.merged += since > e->start;
	} else if (e->err == EINTR) {
		if (!e->interrupted)
			problem(process, e, "EINTR without a handler that ends system calls");
	} else if (e->err == ENOENT && symbol_may_be_missing(process, e)) {
		return;
	} else if (e->err != kind->alone) {
		problem(process, e, "no errno for such a request, which alone gets %s",
			errno_name(kind->alone));
	} else if (kind->refused) {
		if (!was_refused(t, e))
			problem(process, e, "no init function said so meanwhile");
		figures.merged++;
	}
}

static void check_removal(int process, const struct event *e)
{
	const struct timeline *t = &timelines[e->what.name];
	struct run *mine = NULL;
	__u64 since;
	int n;

	n = own_runs(e, &mine);
	if (n > 1 || (n && !mine->exit)) {
		problem(process, e, "not one exit function ran for one removal");
		return;
	}
	if (n && e->err && e->err != KILLED)
		problem(process, e, "exit ran nevertheless");
	switch (e->err) {
	case 0:
		if (!n)
			problem(process, e, "no exit function ran");
		break;
	case EBUSY:
		if (first_of_others(process, e) == NEVER)
			problem(process, e, "nobody else was loading or unloading it");
		break;
	case EAGAIN:
		if (!may_be_live(t, e->start, e->end, &since))
			problem(process, e, "in use, and at no time was the module live");
		break;
	case ENOENT:
		if (was_there(t, e->start, e->end))
			problem(process, e, "it was there all the time");
		break;
	case EINTR:
		if (!e->signalled)
			problem(process, e, "nobody sent a signal");
		break;
	case KILLED:
		break;
	default:
		problem(process, e, "no errno for a removal");
	}
}

static void count(const struct event *e)
{
	figures.counted[e->what.op]++;
	if (e->what.op > UNLOAD)
		return;
	if (e->err == KILLED)
		figures.killed[e->what.op]++;
	else
		figures.errs[e->what.op][e->err & 4095]++;
}

/* All that is answered by now, then what has run by now, then one by the other. */
void check_events(void)
{
	__u64 limit[MAX_HAMMERERS], nr;
	struct run *run;
	int i, pass;

	for (i = 0; i < nr_hammerers; i++)
		limit[i] = __atomic_load_n(&shared->hammerer[i].events, __ATOMIC_ACQUIRE);
	read_log();
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < nr_hammerers; i++) {
			struct hammerer *h = &shared->hammerer[i];

			for (nr = h->checked; nr < limit[i]; nr++) {
				const struct event *e = &h->ring[nr % RING];

				/* Before anybody is asked when a load was over. */
				if (!pass && e->what.op <= UNLOAD)
					own_runs(e, &run);
				else if (pass && e->what.op == LOAD)
					check_load(i, e);
				else if (pass && e->what.op == UNLOAD)
					check_removal(i, e);
				if (pass)
					count(e);
			}
			if (pass)
				__atomic_store_n(&h->checked, nr, __ATOMIC_RELEASE);
		}
	}
}

/* When nobody is left. */
void check_leftovers(void)
{
	int name;

	for (name = 0; name < NR_NAMES; name++) {
		const struct timeline *t = &timelines[name];
		const char *what = t->image[GOOD]->name;
		__u64 i = oldest_run(t);

		for (; i < t->runs; i++) {
			const struct run *run = &t->run[i % RUNS];

			if (run->end == NEVER || !run->owned) {
				problem(0, NULL, "%s of %s %s", run->exit ? "exit" : "init",
					what, run->end == NEVER ? "has not ended" :
					"ran for no request");
				print_run(run);
			}
		}
		if (is_loaded(what) != t->live) {
			problem(0, NULL, "%s is %sin /proc/modules", what,
				t->live ? "not " : "");
			print_runs(name, NEVER);
		}
	}
}
