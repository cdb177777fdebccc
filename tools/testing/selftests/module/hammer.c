// SPDX-License-Identifier: GPL-2.0-only
/*
 * Make random concurrent requests and check what they return.
 *
 *	hammer [-s SEED] [-t SECONDS] [-b ERRNO|hang]
 *
 * In each round, workers load and remove three modules while signals arrive and gates of
 * test_modload_ctl open and close. When all requests have ended, each result must be one
 * that the other requests of the round allow. Then the modules are removed.
 *
 * With the same number of CPUs, a seed determines the requests and events of a round, but
 * not how they interleave. The next round has the next seed. -b tests the checks. It replaces
 * one result of each round by ERRNO, or leaves the gates closed.
 */
#include <limits.h>

#pragma GCC diagnostic ignored "-Wunused-function"
#include "modload.h"

#define MS		1000000LL	/* nanoseconds */
#define LIMIT		60		/* seconds for a request while all gates are open */
#define PATIENCE	(4900 * MS)	/* requests wait longer for a removal */
#define MAX_WORKERS	32
#define MAX_STEPS	8
#define MAX_EVENTS	32
#define MAX_REPORTS	2		/* for each rule */
#define OTHER_FLAG	1		/* MODULE_INIT_IGNORE_MODVERSIONS */
#define NO_GATE		NR_GATES
#define PEEKED		(64 * 1024)	/* size from which an image is peeked at */

/* The modules. COPY is test_modload_gate with another name. */
enum { GATE, COPY, USER, NR_NAMES };
static const char * const names[] = { PREFIX "gate", PREFIX "copy", PREFIX "user" };

/* All kinds of loads. Two loads of one kind make the same request. */
static const struct kind {
	struct call call;
	int err;		/* the errno of a load that fails */
	int gate;		/* where the load passes before that */
	bool can_succeed;
} kinds[] = {
	{ { "gate" } },
	{ { "gate", .args = "tag=1" } },
	{ { "gate", .args = "async=1" } },
	{ { "gate", .edits = E_BUILD_ID } },
	{ { "gate", .flags = OTHER_FLAG } },
	{ { "gate", .args = "ret=-19" }, ENODEV },
	{ { "gate", .args = "ret=-19", .edits = E_BUILD_ID }, ENODEV },
	{ { "gate", .args = "ret=-19", .distinct = true }, ENODEV },
	{ { "gate", .args = "ret=-5", .edits = E_NO_BUILD_ID }, EIO },
	{ { "gate", .args = "ret=-1" }, EPERM },
	{ { "gate", .args = "ret=-17" }, EEXIST },
	{ { "gate", .args = "ret=-6 fails=2" }, ENXIO, .can_succeed = true },
	{ { "gate", .args = "hold=1 ret=x" }, EINVAL, GATE_PARAM },
	{ { "gate", .edits = E_VERMAGIC }, ENOEXEC, NO_GATE },
#define FIRST_USER	14
	{ { "user" }, ENOENT, GATE_USER, true },
	{ { "user", .args = "tag=1" }, ENOENT, GATE_USER, true },
	{ { "user", .edits = E_BAD_SYMBOL | E_BUILD_ID }, ENOENT, NO_GATE },
};

/* A request of a worker */
struct step {
	const struct kind *kind;	/* NULL: there is none */
	const struct image *image;
	int name;
	bool remove;
	char way;			/* i(nit), f(ile) or c(opy) */
	int delay;			/* microseconds */
	long long start, end;		/* start is 0 until the request begins */
	int passed;			/* tasks that came to the kind's gate meanwhile */
	bool interrupted;		/* by SIGUSR2 */
	bool live;			/* the module was, right after the call */
	int err;			/* 0, errno, KILLED or WAITING */
};

static struct event {
	long long time;
	const char *what;		/* happens to a gate, or NULL for a signal */
	int nr;				/* of the gate or the signal */
	int worker;			/* gets the signal */
} events[MAX_EVENTS];

enum rule { ENDS, COUNTS, ZERO, EXIST, LIVE, CAUSE, BUSY, INTR, OTHER, REMOVAL, GONE, OK };

static const char * const rules[][2] = {
	[ENDS]	  = { "request_ends", "an end within a minute while all gates are open" },
	[COUNTS]  = { "counts_match", "one 0 for each init that succeeds and for each removal" },
	[ZERO]	  = { "zero_after_init", "0 only if the init function ran and succeeded" },
	[EXIST]	  = { "eexist_if_live", "EEXIST only if the module is live" },
	[LIVE]	  = { "eexist_while_live", "EEXIST while the module is live all the time" },
	[CAUSE]	  = { "error_has_cause", "an errno only if a load met its cause meanwhile" },
	[BUSY]	  = { "ebusy_has_cause", "EBUSY only for a slow removal, or init's EEXIST" },
	[INTR]	  = { "eintr_if_signalled", "EINTR only for a signal" },
	[OTHER]	  = { "no_other_errno", "no errno of other requests" },
	[REMOVAL] = { "removal_has_cause",
		      "0 or EAGAIN if the module is live, ENOENT or EBUSY if not" },
	[GONE]	  = { "modules_gone", "no module that cannot be removed" },
};

static int broken[OK];
static struct step *steps;		/* shared with the workers */
static int nr_workers, nr_events;
static pid_t workers[MAX_WORKERS];
static long long began;			/* the round */
static long seed;
static bool claims;			/* -b ERRNO: replace a result */
static int claim;			/* by this errno; WAITING: -b hang */
static struct step *current;		/* of this worker */
static unsigned long results_of[2][1024];

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 * MS + t.tv_nsec;
}

static int draw(int below)
{
	return lrand48() % below;
}

static int worker_of(const struct step *s)
{
	return (s - steps) / MAX_STEPS;
}

/* Return the request after @s, the first one if that is NULL, or NULL if there is none. */
static struct step *next_request(struct step *s)
{
	for (s = s ? s + 1 : steps; s < steps + nr_workers * MAX_STEPS; s++)
		if (s->start)
			return s;
	return NULL;
}

static bool is_live(int name)
{
	char path[64], state[16];

	snprintf(path, sizeof(path), "/sys/module/%s/initstate", names[name]);
	read_file(path, state, sizeof(state));
	return !strcmp(state, "live\n");
}

static void interrupt(int sig)
{
	if (current && sig == SIGUSR2)
		current->interrupted = true;
}

static void make_step(struct step *s)
{
	int fd = s->way == 'c' ? open_image(s->image, O_RDONLY) : s->image->fd;
	int passed = read_gate(s->kind->gate, false), err;
	const struct call *call = &s->kind->call;
	struct image image = *s->image;
	char args[64];

	snprintf(args, sizeof(args), "%s tag=%d", call->args ?: "", worker_of(s));
	if (!call->distinct)
		*strrchr(args, ' ') = '\0';
	if (image.call.edits & E_SLOW)
		make_stuck(&image, true);
	current = s;
	usleep(s->delay);
	s->interrupted = false;
	s->start = now();
	if (s->remove)
		err = unload(names[s->name]);
	else if (s->way == 'i')
		err = load(&image, args);
	else
		err = syscall(__NR_finit_module, fd, args, call->flags) ? errno : 0;
	s->live = is_live(s->name);
	s->passed = read_gate(s->kind->gate, false) - passed;
	s->end = now();
	s->err = err;
	if (s->way == 'c')
		close(fd);
}

static void work(struct step *s, pid_t parent)
{
	struct step *end = s + MAX_STEPS;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(1);
	for (; s < end; s++)
		if (s->kind)
			make_step(s);
	_exit(0);
}

static const struct kind *draw_kind(void)
{
	if (!draw(4))
		return &kinds[0];
	return &kinds[draw(3) ? draw(FIRST_USER) :
		      FIRST_USER + draw(ARRAY_SIZE(kinds) - FIRST_USER)];
}

static void draw_steps(void)
{
	const struct kind *favourite = draw_kind();
	int copy = !draw(4), others = draw(4), removals = draw(4);
	struct step *s;
	struct call call;

	for (s = steps; s < steps + nr_workers * MAX_STEPS; s++) {
		*s = (struct step){ .err = WAITING };
		if (draw(2))
			continue;
		s->kind = draw(4) < others ? draw_kind() : favourite;
		call = s->kind->call;
		s->name = s->kind >= &kinds[FIRST_USER] ? USER : draw(3) ? copy : !copy;
		if (s->name == COPY) {
			call.rename = names[COPY];
			call.edits |= E_NO_EXPORT;
		}
		s->remove = draw(6) < removals;
		s->way = s->kind->call.flags ? "fc"[draw(2)] : "ifc"[draw(3)];
		/* The name of a large image in memory is known before it is copied. */
		if (s->way == 'i')
			call.edits |= draw(3) ? E_LARGE | (draw(2) ? E_SLOW : 0) : 0;
		s->image = get_image(&call);
		if (!s->image)
			ksft_exit_fail_msg("%s: no image\n", names[s->name]);
		s->delay = draw(2) ? draw(3000) : 0;
	}
}

static void make_event(const char *what, int nr, int worker)
{
	events[nr_events++] = (struct event){ now(), what, nr, worker };
	if (what)
		set_gate(what, nr);
	else
		kill(workers[worker], nr);
}

/* Close some gates. Then start the workers, and make events. */
static void start_round(void)
{
	static const int signals[] = { SIGUSR1, SIGUSR2, SIGSTOP, SIGCONT, SIGKILL };
	int i, nr, n = draw(MAX_EVENTS - NR_GATES), nr_signals = 4 + draw(2);
	bool slow = !draw(100);
	pid_t self = getpid();

	nr_events = 0;
	for (i = 0; i < NR_GATES; i++)
		if (!draw(4) || (slow && i == GATE_EXIT))
			make_event("close", i, 0);
	for (i = 0; i < nr_workers; i++) {
		workers[i] = fork();
		if (!workers[i])
			work(&steps[i * MAX_STEPS], self);
		if (workers[i] < 0)
			ksft_exit_fail_msg("fork: %s\n", strerror(errno));
	}
	for (i = 0; i < n; i++) {
		usleep(draw(4000));
		nr = draw(NR_GATES * nr_signals);
		if (draw(3))
			make_event(NULL, signals[nr % nr_signals], draw(nr_workers));
		else
			make_event(draw(2) ? "open" : "close", nr % NR_GATES, 0);
	}
	if (slow)
		usleep(6 * 1000 * 1000);
}

/* Reap workers, and record which requests they left. Return how many workers remain. */
static int reap(void)
{
	int i, left = 0;
	struct step *s;

	for (i = 0; i < nr_workers; i++) {
		if (!workers[i])
			continue;
		if (waitpid(workers[i], NULL, WNOHANG) != workers[i]) {
			left++;
			continue;
		}
		workers[i] = 0;
		for (s = next_request(NULL); s; s = next_request(s)) {
			if (worker_of(s) == i && s->err == WAITING) {
				s->err = KILLED;
				s->end = now();
			}
		}
	}
	return left;
}

static void print_step(const struct step *s)
{
	const struct call *call = &s->kind->call;

	ksft_print_msg("  %8.3f %8.3f ms, worker %d: ", (double)(s->start - began) / MS,
		       (double)(s->end - began) / MS, worker_of(s));
	if (s->remove)
		printf("remove %s", names[s->name]);
	else
		printf("load %s by %s, edits %#x, flags %d, \"%s%s\"", names[s->name],
		       s->way == 'i' ? "image" : s->way == 'f' ? "file" : "copy",
		       s->image->call.edits, call->flags, call->args ?: "",
		       call->distinct ? " tag=N" : "");
	printf(": %s (%d)%s%s, %d passed\n", s->err ? errno_name(s->err) : "0", s->err,
	       s->interrupted ? ", interrupted" : "", s->live ? ", live" : "", s->passed);
}

static void print_file(pid_t pid, const char *name)
{
	char path[64], buf[2048], *line, *rest = buf;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	read_file(path, buf, sizeof(buf));
	while ((line = strsep(&rest, "\n")) && *line)
		ksft_print_msg("  %s: %s\n", name, line);
}

static bool overlap(const struct step *a, const struct step *b)
{
	return a->start <= b->end && b->start <= a->end;
}

/* Report that @s breaks a rule, or the round does if it is NULL, and what happened meanwhile. */
static void report(enum rule rule, const struct step *s)
{
	struct step *other;
	struct event *e;

	if (rule == OK || ++broken[rule] > MAX_REPORTS)
		return;
	ksft_print_msg("%s: seed %ld: want %s, got\n", rules[rule][0], seed, rules[rule][1]);
	if (s)
		print_step(s);
	ksft_print_msg(" in a round with\n");
	for (other = next_request(NULL); other; other = next_request(other))
		if (!s || overlap(s, other) || other->name == s->name)
			print_step(other);
	for (e = events; e < events + nr_events; e++) {
		ksft_print_msg("  %8.3f ms, ", (double)(e->time - began) / MS);
		if (e->what)
			printf("%s gate %d\n", e->what, e->nr);
		else
			printf("signal %d to worker %d\n", e->nr, e->worker);
	}
}

/* Return true if @sig, or any signal if it is 0, was sent to the worker of @s. */
static bool is_signalled(const struct step *s, int sig)
{
	struct event *e;

	for (e = events; e < events + nr_events; e++)
		if (!e->what && e->worker == worker_of(s) && e->time <= s->end &&
		    (!sig || sig == e->nr))
			return true;
	return false;
}

/*
 * Count the requests for @name that succeeded, began by @begun, and ended before @ended.
 * Count killed requests too if @maybe, since they may have succeeded.
 */
static int count(int name, bool remove, bool maybe, long long begun, long long ended)
{
	struct step *s;
	int n = 0;

	for (s = next_request(NULL); s; s = next_request(s))
		n += s->name == name && s->remove == remove && s->start <= begun &&
		     s->end < ended && (!s->err || (maybe && s->err == KILLED));
	return n;
}

/* Return true if the module can have been live at some time during @s. */
static bool may_be_live(int name, const struct step *s)
{
	return count(name, false, true, s->end, LLONG_MAX) >
	       count(name, true, false, LLONG_MAX, s->start);
}

/* Return true if the module was live all the time. */
static bool must_be_live(int name, const struct step *s)
{
	return count(name, false, false, LLONG_MAX, s->start) >
	       count(name, true, true, s->end, LLONG_MAX);
}

/* Return true if another request for @name took so long, and overlaps @s. */
static bool has_other(int name, bool remove, long long time, const struct step *s)
{
	struct step *other;

	for (other = next_request(NULL); other; other = next_request(other))
		if (other != s && other->name == name && other->remove == remove &&
		    overlap(s, other) && other->end - other->start >= time)
			return true;
	return false;
}

/* Return true if @s can fail because the module is live. */
static bool has_met_live(const struct step *s)
{
	return may_be_live(s->name, s) && (s->live || has_other(s->name, true, 0, s));
}

/* Return true if no other request can share the error of @s. */
static bool is_alone(const struct step *s)
{
	return s->kind->call.distinct || s->err == EEXIST ||
	       (s->kind->call.edits & E_NO_BUILD_ID && s->way != 'f');
}

/* Return true if the errno of @s can come from a load that passed the gate during @s. */
static bool has_cause(const struct step *s)
{
	struct step *other;

	for (other = next_request(NULL); other; other = next_request(other))
		if (other->kind == s->kind && other->name == s->name && !other->remove &&
		    overlap(s, other) && (other->passed || other->err == KILLED) &&
		    (other == s || (!is_alone(s) && (!is_alone(other) || s->err == EBUSY))))
			return true;
	return false;
}

static enum rule check_load(const struct step *s)
{
	const struct kind *kind = s->kind;

	if (s->err == EINTR)
		return s->interrupted ? OK : INTR;
	/* A large image in memory may get its result before it is copied and checked. */
	if (kind->err == ENOEXEC && !(s->way == 'i' && s->image->len >= PEEKED &&
				      (s->err == EEXIST || s->err == EBUSY)))
		return s->err == ENOEXEC ? OK : OTHER;
	if (s->err == EEXIST)
		return has_met_live(s) || (kind->err == EEXIST && s->passed) ? OK : EXIST;
	if (must_be_live(s->name, s))
		return LIVE;
	if (!s->err)
		return s->passed && (!kind->err || kind->can_succeed) ? OK : ZERO;
	if (s->err == EBUSY)
		return has_other(s->name, true, PATIENCE, s) ||
		       (kind->err == EEXIST && has_cause(s)) ? OK : BUSY;
	if (s->err != kind->err)
		return OTHER;
	if (kind->gate == GATE_USER)
		return must_be_live(GATE, s) ? CAUSE : OK;
	return kind->gate == NO_GATE || has_cause(s) ? OK : CAUSE;
}

static enum rule check_removal(const struct step *s)
{
	bool ok = false;

	if (s->err == EINTR)
		ok = is_signalled(s, 0);
	else if (!s->err)
		ok = may_be_live(s->name, s);
	else if (s->err == EAGAIN)
		ok = may_be_live(s->name, s) &&
		     (has_other(s->name, false, 0, s) || (s->name == GATE &&
		      (has_other(USER, false, 0, s) || may_be_live(USER, s))));
	else if (s->err == ENOENT)
		ok = !must_be_live(s->name, s);
	else if (s->err == EBUSY)
		ok = !must_be_live(s->name, s) && (has_other(s->name, false, 0, s) ||
						   has_other(s->name, true, 0, s));
	return ok ? OK : REMOVAL;
}

/* Compare the numbers of loads and removals with what the gates have counted. */
static void check_counts(void)
{
	int inits = read_gate(GATE_INIT, false) + read_gate(GATE_USER, false);
	int gone = read_gate(GATE_GOING, false) - read_gate(GATE_PARAM, false);
	int name, live, failed = 0, all_live = 0, zeros = 0;
	bool seen[NR_NAMES][ARRAY_SIZE(kinds)] = {}, *first;
	struct step *s;
	bool ok = true;

	for (name = 0; name < NR_NAMES; name++) {
		int loads = count(name, false, false, LLONG_MAX, LLONG_MAX);
		int removals = count(name, true, false, LLONG_MAX, LLONG_MAX);

		live = is_live(name);
		all_live += live;
		zeros += loads;
		ok &= loads - count(name, true, true, LLONG_MAX, LLONG_MAX) <= live &&
		      count(name, false, true, LLONG_MAX, LLONG_MAX) - removals >= live;
	}
	/* Each failed init has at least one request of its own. */
	for (s = next_request(NULL); s; s = next_request(s)) {
		if (s->remove || s->kind->gate != GATE_INIT || s->err <= 0 ||
		    s->err != s->kind->err || (s->err == EEXIST && has_met_live(s)))
			continue;
		first = &seen[s->name][s->kind - kinds];
		failed += is_alone(s) || !*first;
		*first |= !is_alone(s);
	}
	/* What is gone was removed, or has failed in init. */
	if (ok && inits - gone == all_live && inits >= zeros + failed)
		return;
	ksft_print_msg("inits: %d, gone: %d, live: %d, results: %d x 0, %d failed inits\n",
		       inits, gone, all_live, zeros, failed);
	report(COUNTS, NULL);
}

/* Open all gates. Return false if a request does not end. */
static bool end_round(void)
{
	long long opened = now(), since;
	bool hangs = false;
	struct step *s;
	int i;

	for (i = 0; i < NR_GATES; i++)
		set_gate(claim == WAITING ? "close" : "open", i);
	for (i = 0; i < nr_workers; i++)
		kill(workers[i], SIGCONT);
	while (reap() && !hangs) {
		nap();
		for (s = next_request(NULL); s; s = next_request(s)) {
			since = s->start > opened ? s->start : opened;
			hangs |= s->err == WAITING && now() - since > LIMIT * 1000 * MS;
		}
	}
	if (!hangs)
		return true;

	for (s = next_request(NULL); s; s = next_request(s)) {
		if (s->err != WAITING)
			continue;
		s->end = now();
		report(ENDS, s);
		print_file(workers[worker_of(s)], "syscall");
		print_file(workers[worker_of(s)], "stack");
	}
	for (i = 0; i < NR_GATES; i++)
		set_gate("open", i);
	for (i = 0; i < nr_workers; i++)
		if (workers[i])
			kill(workers[i], SIGKILL);
	set_deadline(LIMIT);
	if (!wait_for(!reap()))
		ksft_exit_fail_msg("a process cannot be killed\n");
	return false;
}

static void check_round(void)
{
	struct step *s, *wrong = NULL;
	int n = 0;

	for (s = next_request(NULL); s; s = next_request(s))
		if (claims && s->err != KILLED && !draw(++n))
			wrong = s;
	if (wrong)
		wrong->err = claim;
	for (s = next_request(NULL); s; s = next_request(s)) {
		results_of[s->remove][(s->err + 1) % 1024]++;
		if (s->err == KILLED)
			report(is_signalled(s, SIGKILL) ? OK : ENDS, s);
		else
			report(s->remove ? check_removal(s) : check_load(s), s);
	}
	check_counts();
}

static bool unload_all(void)
{
	int name, left = 0;

	for (name = NR_NAMES - 1; name >= 0; name--)
		left += unload(names[name]) != ENOENT;
	return !left;
}

/* Run rounds until the time is over or one hangs. Return how many there were. */
static int run_rounds(int seconds)
{
	long long progress = now(), end = progress + seconds * 1000 * MS;
	bool ok = true;
	int i, n = 0;

	for (; ok && now() < end; n++, seed++) {
		if (now() > progress + 10000 * MS) {
			progress = now();
			ksft_print_msg("round %d, seed %ld\n", n, seed);
		}
		srand48(seed);
		/* The first numbers of similar seeds are similar. */
		for (i = 0; i < 8; i++)
			lrand48();
		set_gate("reset", 0);
		began = now();
		draw_steps();
		start_round();
		ok = end_round();
		if (ok)
			check_round();
		set_deadline(LIMIT);
		if (!wait_for(unload_all())) {
			report(GONE, NULL);
			ok = false;
		}
	}
	return n;
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = interrupt };
	int i, opt, remove, seconds = 5;
	const struct call ctl = { "ctl" };

	seed = now() / MS % 1000000;
	while ((opt = getopt(argc, argv, "s:t:b:")) > 0) {
		if (opt == 's')
			seed = atol(optarg);
		if (opt == 't')
			seconds = atoi(optarg);
		if (opt == 'b') {
			claims = strcmp(optarg, "hang");
			claim = claims ? atoi(optarg) : WAITING;
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	if (!get_image(&ctl) || load(get_image(&ctl), ""))
		ksft_exit_skip("test_modload_ctl: not loaded: %s\n", strerror(errno));

	nr_workers = 4 + 4 * sysconf(_SC_NPROCESSORS_ONLN);
	nr_workers = nr_workers < MAX_WORKERS ? nr_workers : MAX_WORKERS;
	steps = mmap(NULL, nr_workers * MAX_STEPS * sizeof(*steps), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGUSR2, &act, NULL);
	act.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &act, NULL);
	ksft_set_plan(OK);
	ksft_print_msg("seed %ld, %d s, %d workers\n", seed, seconds, nr_workers);
	ksft_print_msg("rounds: %d\n", run_rounds(seconds));
	for (remove = 0; remove < 2; remove++) {
		ksft_print_msg("%s:", remove ? "removals" : "loads");
		for (i = 0; i < 1024; i++)
			if (results_of[remove][i])
				printf(" %s: %lu", i == 1 ? "0" : errno_name(i - 1),
				       results_of[remove][i]);
		printf("\n");
	}
	for (i = 0; i < OK; i++)
		ksft_test_result(!broken[i], "%s\n", rules[i][0]);
	unload(PREFIX "ctl");
	ksft_finished();
}
