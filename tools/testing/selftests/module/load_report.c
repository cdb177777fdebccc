// SPDX-License-Identifier: GPL-2.0-only
/*
 * Can one find out which load takes long, and who waits for it?
 *
 * In the kernel's log, in modules/loads of debugfs, by tracing and by the
 * counters of MODULE_STATS. The loads take as long as a gate is closed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "pl_request.h"

#define DEBUGFS		"/sys/kernel/debug"
#define LOADS_HEAD	"# module state task age waiters waits-for"
#define LONG		"has been "

#define WAITERS		8

/* The state of one test. */
struct report {
	struct pl pl;
	struct kernel_log log;
	char report_secs[16];	/* as it was, or "" */
	char trace[128];	/* the directory of an instance, or "" */
};

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

FIXTURE(report) {
	struct report r;
};

FIXTURE_VARIANT(report) {
	enum way way;
};

FIXTURE_VARIANT_ADD(report, init_module) { .way = INIT_MODULE };
FIXTURE_VARIANT_ADD(report, one_file) { .way = ONE_FILE };

FIXTURE_SETUP(report)
{
	struct report *r = &self->r;

	setup(_metadata, &r->pl);
	if (r->pl.cannot)
		return;
	if (!follow_log(&r->log)) {
		r->pl.cannot = "no /dev/kmsg to read the kernel's log from";
		return;
	}
	if (!read_file(REPORT_SECS, r->report_secs, sizeof(r->report_secs)))
		r->report_secs[0] = '\0';
}

FIXTURE_TEARDOWN(report)
{
	struct report *r = &self->r;

	if (r->report_secs[0])
		write_file(REPORT_SECS, r->report_secs);
	teardown(_metadata, &r->pl);
	if (r->trace[0])
		EXPECT_EQ(0, rmdir(r->trace));
}

/* The log */

static void set_report_secs(struct __test_metadata *_metadata, const char *secs)
{
	ASSERT_TRUE(write_file(REPORT_SECS, secs))
		TH_LOG(REPORT_SECS ": %s", strerror(errno));
}

/* "initializing", since how many seconds, and for how many requests */
struct long_load {
	char state[16];
	int secs;
	int waiters;
	char waits_for[128];
};

/* What report number @nth, from 0, of @module says, if it is by the document. */
static bool find_report(struct report *r, const char *module, pid_t pid, int nth,
			struct long_load *l)
{
	char head[128], again[512], plural[2][16] = { "s wait", " waits" };
	const char *line;
	char *symbol;

	snprintf(head, sizeof(head), "module: %s: load_report[%d] " LONG, module,
		 pid);
	line = find_line(&r->log, head, nth);
	if (!line || strncmp(line, head, strlen(head)))
		return false;
	memset(l, 0, sizeof(*l));
	if (sscanf(line + strlen(head), "%15s it for %d s", l->state, &l->secs) != 2)
		return false;
	symbol = strstr(line, ", waiting for ");
	if (symbol)
		sscanf(symbol, ", waiting for %127[^;]", l->waits_for);
	if (!strrchr(line, ';') ||
	    sscanf(strrchr(line, ';'), "; %d request", &l->waiters) != 1)
		return false;
	snprintf(again, sizeof(again), "%s%s it for %d s%s%s; %d request%s", head,
		 l->state, l->secs, symbol ? ", waiting for " : "",
		 l->waits_for, l->waiters, plural[l->waiters == 1]);
	return !strcmp(again, line);
}

/*
 * Of all who wait one tells, after 1, 2 and 4 seconds of waiting, and not again
 * until it is 8. How late it is depends on the machine, and so does how old the
 * load is by then, but neither is early.
 */
TEST_F_TIMEOUT(report, long_load_is_logged_once_and_at_twice_the_time,
	       HARNESS_LIMIT)
{
	static const int due[] = { 1, 2, 4 };
	struct report *r = &self->r;
	struct pl *pl = &r->pl;
	struct group first, rest;
	struct long_load l;
	double start;
	int i;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	set_report_secs(_metadata, "1");
	first = gather(_metadata, pl, 1, "pl_gate", variant->way, "gate=0");
	rest = gather(_metadata, pl, WAITERS, "pl_gate", variant->way, "gate=0");
	assert_in_gate(_metadata, pl, &first, 0);
	start = seconds();
	assert_asleep(_metadata, pl, &rest);
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(comes_true(pl, count_lines(&r->log, LONG) > i))
			TH_LOG("%d reports after %.1f s", i, seconds() - start);
		EXPECT_LE(due[i], seconds() - start);
		ASSERT_TRUE(find_report(r, "pl_gate", first.req[0].pid, i, &l))
			TH_LOG("%s", find_line(&r->log, LONG, i));
		EXPECT_STREQ("initializing", l.state);
		EXPECT_LE(due[i], l.secs);
		EXPECT_GE(seconds() - start + 10, l.secs);
		EXPECT_STREQ("", l.waits_for);
		EXPECT_GE(WAITERS, l.waiters);
	}
	/* They have all come by now. */
	EXPECT_EQ(WAITERS, l.waiters);
	while (seconds() - start < 6)
		nap();
	if (seconds() - start < 7.5)
		EXPECT_EQ(3, count_lines(&r->log, LONG))
			TH_LOG("%s", find_line(&r->log, LONG, 3));
	let_go(_metadata, pl, &first, &rest);
	expect_success(_metadata, &first, &rest);
}

/* Two loads take as long, but one of them from a time when that was no matter. */
TEST_F_TIMEOUT(report, zero_seconds_are_never, HARNESS_LIMIT)
{
	struct group first, rest, second, third;
	struct report *r = &self->r;
	struct pl *pl = &r->pl;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	set_report_secs(_metadata, "0");
	hold(_metadata, pl, 1 + WAITERS, variant->way, "gate=0", "gate=0", &first,
	     &rest);
	set_report_secs(_metadata, "1");
	second = gather(_metadata, pl, 1, "pl_gate2", variant->way, "gate=1");
	third = gather(_metadata, pl, 1, "pl_gate2", variant->way, "gate=1");
	assert_in_gate(_metadata, pl, &second, 1);
	assert_asleep(_metadata, pl, &third);
	ASSERT_TRUE(comes_true(pl, count_lines(&r->log, LONG) > 1));
	EXPECT_EQ(0, count_lines(&r->log, "pl_gate: load_report"));
	EXPECT_EQ(0, count_lines(&r->log, "module: pl_gate: "));
	ASSERT_TRUE(set_gate(1, "open"));
	let_go(_metadata, pl, &first, &rest);
	assert_answered(_metadata, pl, &second);
	assert_answered(_metadata, pl, &third);
}

/* Who waits for a load which waits itself learns for what. */
TEST_F_TIMEOUT(report, symbol_that_is_waited_for_is_named, HARNESS_LIMIT)
{
	struct group owner, first, rest;
	struct report *r = &self->r;
	struct pl *pl = &r->pl;
	struct long_load l;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	set_report_secs(_metadata, "1");
	owner = gather(_metadata, pl, 1, "pl_gate", variant->way, "gate=0");
	first = gather(_metadata, pl, 1, "pl_user", variant->way, "");
	rest = gather(_metadata, pl, 2, "pl_user", variant->way, "");
	assert_in_gate(_metadata, pl, &owner, 0);
	assert_asleep(_metadata, pl, &first);
	assert_asleep(_metadata, pl, &rest);
	ASSERT_TRUE(comes_true(pl, find_report(r, "pl_user", first.req[0].pid, 1, &l)))
		TH_LOG("%s", find_line(&r->log, LONG, 0));
	EXPECT_STREQ("loading", l.state);
	/* The order of the symbols is the compiler's. */
	EXPECT_TRUE(!strcmp(l.waits_for, "symbol pl_gate_answer of pl_gate") ||
		    !strcmp(l.waits_for, "symbol pl_gate_other of pl_gate"))
		TH_LOG("waits for %s", l.waits_for);
	EXPECT_EQ(2, l.waiters);
	/* One request waits for the owner. */
	ASSERT_TRUE(comes_true(pl, find_report(r, "pl_gate", owner.req[0].pid, 0, &l)));
	EXPECT_STREQ("initializing", l.state);
	EXPECT_EQ(1, l.waiters);
	let_go(_metadata, pl, &owner, &rest);
	assert_answered(_metadata, pl, &first);
}

/* What counts is how long the one that works has worked, not how long it has waited. */
TEST_F_TIMEOUT(report, wait_before_a_takeover_does_not_count, HARNESS_LIMIT)
{
	struct group first, rest;
	struct report *r = &self->r;
	struct pl *pl = &r->pl;
	struct long_load l;
	double start;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	set_report_secs(_metadata, "1");
	hold(_metadata, pl, 3, variant->way, "gate=0", "gate=0", &first, &rest);
	/* At 1, 2, and 4 seconds. */
	ASSERT_TRUE(comes_true(pl, find_report(r, "pl_gate", first.req[0].pid, 2, &l)));
	start = seconds();
	ASSERT_TRUE(kill_and_reap(pl, &first.req[0]));
	/* One of the two works, and the other waits and tells. */
	ASSERT_TRUE(comes_true(pl, find_report(r, "pl_gate", rest.req[0].pid, 0, &l) ||
			       find_report(r, "pl_gate", rest.req[1].pid, 0, &l)))
		TH_LOG("%s", find_line(&r->log, LONG, 3));
	EXPECT_STREQ("initializing", l.state);
	EXPECT_GE(seconds() - start, l.secs);
	ASSERT_TRUE(set_gate(0, "open"));
	assert_answered(_metadata, pl, &rest);
	expect_success(_metadata, &rest, NULL);
}

TEST_F_TIMEOUT(report, long_removal_is_logged, HARNESS_LIMIT)
{
	struct group first, removal, rest;
	struct report *r = &self->r;
	struct pl *pl = &r->pl;
	struct long_load l;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	set_report_secs(_metadata, "1");
	first = gather(_metadata, pl, 1, "pl_gate", variant->way, "exit_gate=0");
	release(_metadata, &first);
	assert_answered(_metadata, pl, &first);
	expect_all(_metadata, &first, 0);
	removal = gather(_metadata, pl, 1, "pl_gate", REMOVAL, NULL);
	rest = gather(_metadata, pl, 3, "pl_gate", variant->way, "");
	assert_in_gate(_metadata, pl, &removal, 0);
	assert_asleep(_metadata, pl, &rest);
	ASSERT_TRUE(comes_true(pl, find_report(r, "pl_gate", removal.req[0].pid, 0, &l)))
		TH_LOG("%s", find_line(&r->log, LONG, 0));
	EXPECT_STREQ("removing", l.state);
	let_go(_metadata, pl, &removal, &rest);
	expect_all(_metadata, &removal, 0);
	expect_success(_metadata, &rest, NULL);
}

/* modules/loads */

/* The line of the load by @pid, with the age taken out, or NULL. */
static const char *find_load(pid_t pid, const char *what)
{
	static char line[512];
	char task[32], *age;
	FILE *f;

	f = fopen(LOADS, "re");
	if (!f)
		return NULL;
	snprintf(task, sizeof(task), " load_report[%d] ", pid);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strstr(line, task) || !strstr(line, what))
			continue;
		fclose(f);
		age = strstr(line, task) + strlen(task);
		if (strspn(age, "0123456789") && age[strspn(age, "0123456789")] == 's')
			memmove(age, strchr(age, ' ') + 1,
				strlen(strchr(age, ' ')));
		return line;
	}
	fclose(f);
	return NULL;
}

static void show_loads(void)
{
	char line[512];
	FILE *f;

	f = fopen(LOADS, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		fprintf(TH_LOG_STREAM, "# loads: %s", line);
	fclose(f);
}

TEST_F_TIMEOUT(report, loads_in_progress_are_listed, HARNESS_LIMIT)
{
	struct group first, rest, user, users, readers;
	char line[512], wanted[2][256];
	struct report *r = &self->r;
	struct pl *pl = &r->pl;
	FILE *f;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);
	if (access(DEBUGFS "/.", F_OK) || access(DEBUGFS "/modules", F_OK))
		SKIP(return, "no " DEBUGFS "/modules: mount debugfs");

	readers = gather(_metadata, pl, 3, "pl_gate", COPIES, "");
	user = gather(_metadata, pl, 1, "pl_user", variant->way, "");
	users = gather(_metadata, pl, 2, "pl_user", variant->way, "");
	hold(_metadata, pl, 64, variant->way, "gate=0", "gate=0", &first, &rest);
	assert_asleep(_metadata, pl, &user);
	assert_asleep(_metadata, pl, &users);
	show_loads();

	f = fopen(LOADS, "re");
	ASSERT_NE(NULL, f)
		TH_LOG(LOADS ": %s", strerror(errno));
	ASSERT_NE(NULL, fgets(line, sizeof(line), f));
	EXPECT_STREQ(LOADS_HEAD "\n", line);
	fclose(f);

	/* 63 for the same, 1 for a symbol */
	snprintf(line, sizeof(line), "pl_gate initializing load_report[%d] 64 -",
		 first.req[0].pid);
	EXPECT_STREQ(line, find_load(first.req[0].pid, "") ?: "no line");
	snprintf(wanted[0], sizeof(wanted[0]),
		 "pl_user loading load_report[%d] 2 symbol pl_gate_answer of pl_gate",
		 user.req[0].pid);
	snprintf(wanted[1], sizeof(wanted[1]),
		 "pl_user loading load_report[%d] 2 symbol pl_gate_other of pl_gate",
		 user.req[0].pid);
	snprintf(line, sizeof(line), "%s",
		 find_load(user.req[0].pid, "") ?: "no line");
	if (strcmp(line, wanted[1]))
		EXPECT_STREQ(wanted[0], line);
	/* Who only waits is not at any work. */
	EXPECT_EQ(2, count_loads("load_report"));

	/* Each of these has read another file, and waits with that in its hands. */
	assert_asleep(_metadata, pl, &readers);
	show_loads();
	EXPECT_EQ(5, count_loads("load_report"));
	snprintf(line, sizeof(line),
		 "- reading load_report[%d] 0 pl_gate of load_report[%d]",
		 readers.req[1].pid, first.req[0].pid);
	EXPECT_STREQ(line, find_load(readers.req[1].pid, "") ?: "no line");
	EXPECT_EQ(1, count_loads(" 67 "));

	ASSERT_TRUE(set_gate(0, "open"));
	assert_answered(_metadata, pl, &first);
	assert_answered(_metadata, pl, &rest);
	assert_answered(_metadata, pl, &user);
	assert_answered(_metadata, pl, &users);
	assert_answered(_metadata, pl, &readers);
	EXPECT_EQ(0, count_loads("load_report"));
}

/* Tracepoints */

static void start_tracing(struct __test_metadata *_metadata, struct report *r)
{
	static const char * const roots[] = {
		"/sys/kernel/tracing", DEBUGFS "/tracing",
	};
	static const char * const events[] = {
		"module_load_wait", "module_load_wait_end", "module_load_answer",
		"module_load_takeover",
	};
	char path[256];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(roots) && !r->trace[0]; i++) {
		snprintf(r->trace, sizeof(r->trace),
			 "%s/instances/load_report.%d", roots[i], getpid());
		if (mkdir(r->trace, 0700))
			r->trace[0] = '\0';
	}
	if (!r->trace[0])
		return;
	for (i = 0; i < ARRAY_SIZE(events); i++) {
		snprintf(path, sizeof(path), "%s/events/module/%s/enable", r->trace,
			 events[i]);
		ASSERT_TRUE(write_file(path, "1"))
			TH_LOG("%s: %s", path, strerror(errno));
	}
}

/* How many lines of the trace have all of these words? */
static int count_trace(const struct report *r, const char *event, pid_t pid,
		       const char *what)
{
	char path[256], line[512], task[32], word[64];
	int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/trace", r->trace);
	f = fopen(path, "re");
	if (!f)
		return -1;
	snprintf(task, sizeof(task), "load_report-%d ", pid);
	snprintf(word, sizeof(word), " %s: ", event);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = ' ';
		n += strstr(line, word) && (!pid || strstr(line, task)) &&
			strstr(line, what);
	}
	fclose(f);
	return n;
}

static void show_trace(const struct report *r)
{
	char path[256], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/trace", r->trace);
	f = fopen(path, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		if (line[0] != '#')
			fprintf(TH_LOG_STREAM, "# trace: %s", line);
	fclose(f);
}

TEST_F_TIMEOUT(report, waits_are_traced_with_their_reason, HARNESS_LIMIT)
{
	struct group first, file, name, copy, user, live, removal, loads;
	struct report *r = &self->r;
	struct pl *pl = &r->pl;
	char what[128];

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);
	start_tracing(_metadata, r);
	if (!r->trace[0])
		SKIP(return, "no tracing instance can be made: mount tracefs");

	first = gather(_metadata, pl, 1, "pl_gate", ONE_FILE, "gate=0");
	file = gather(_metadata, pl, 1, "pl_gate", ONE_FILE, "gate=0");
	name = gather(_metadata, pl, 1, "pl_gate", INIT_MODULE, "gate=0");
	copy = gather(_metadata, pl, 1, "pl_gate", COPIES, "gate=0");
	user = gather(_metadata, pl, 1, "pl_user", variant->way, "");
	live = gather(_metadata, pl, 1, "pl_gate2", variant->way,
		      "gate=2 exit_gate=1");
	removal = gather(_metadata, pl, 1, "pl_gate2", REMOVAL, NULL);
	loads = gather(_metadata, pl, 1, "pl_gate2", variant->way, "");
	assert_in_gate(_metadata, pl, &first, 0);
	assert_asleep(_metadata, pl, &file);
	assert_asleep(_metadata, pl, &name);
	assert_asleep(_metadata, pl, &copy);
	assert_asleep(_metadata, pl, &user);
	release(_metadata, &live);
	assert_answered(_metadata, pl, &live);
	assert_in_gate(_metadata, pl, &removal, 1);
	assert_asleep(_metadata, pl, &loads);

	snprintf(what, sizeof(what), " name=pl_gate pid=%d why=file ",
		 first.req[0].pid);
	EXPECT_EQ(1, count_trace(r, "module_load_wait", file.req[0].pid, what));
	snprintf(what, sizeof(what), " name=pl_gate pid=%d why=name ",
		 first.req[0].pid);
	EXPECT_EQ(1, count_trace(r, "module_load_wait", name.req[0].pid, what));
	EXPECT_EQ(1, count_trace(r, "module_load_wait", copy.req[0].pid, what));
	snprintf(what, sizeof(what), " name=pl_gate pid=%d why=symbol ",
		 first.req[0].pid);
	EXPECT_EQ(1, count_trace(r, "module_load_wait", user.req[0].pid, what));
	snprintf(what, sizeof(what), " name=pl_gate2 pid=%d why=removal ",
		 removal.req[0].pid);
	EXPECT_EQ(1, count_trace(r, "module_load_wait", loads.req[0].pid, what));
	EXPECT_EQ(5, count_trace(r, "module_load_wait", 0, ""));
	EXPECT_EQ(0, count_trace(r, "module_load_wait_end", 0, ""));

	ASSERT_TRUE(set_gate(0, "open"));
	ASSERT_TRUE(set_gate(1, "open"));
	assert_answered(_metadata, pl, &first);
	assert_answered(_metadata, pl, &file);
	assert_answered(_metadata, pl, &name);
	assert_answered(_metadata, pl, &copy);
	assert_answered(_metadata, pl, &user);
	assert_answered(_metadata, pl, &removal);
	assert_answered(_metadata, pl, &loads);
	show_trace(r);
	EXPECT_EQ(1, count_trace(r, "module_load_wait_end", file.req[0].pid,
				 " name=pl_gate err=-17 ns="));
	EXPECT_EQ(1, count_trace(r, "module_load_wait_end", name.req[0].pid,
				 " name=pl_gate err=-17 ns="));
	EXPECT_EQ(1, count_trace(r, "module_load_wait_end", user.req[0].pid,
				 " name=pl_gate err=0 ns="));
	EXPECT_EQ(1, count_trace(r, "module_load_wait_end", loads.req[0].pid,
				 " name=pl_gate2 err=0 ns="));
	EXPECT_EQ(5, count_trace(r, "module_load_wait_end", 0, ""));
	/* Who has a file that others may wait for looks again, with this result. */
	EXPECT_EQ(1, count_trace(r, "module_load_wait_end", copy.req[0].pid,
				 " name=pl_gate err=0 ns="));
	EXPECT_EQ(1, count_trace(r, "module_load_answer", copy.req[0].pid,
				 " name=pl_gate err=-17 "));
	EXPECT_EQ(1, count_trace(r, "module_load_answer", 0, ""));
	/* It was for a removal: there is nothing to take over. */
	EXPECT_EQ(0, count_trace(r, "module_load_takeover", 0, ""));
}

TEST_F_TIMEOUT(report, takeover_is_traced, HARNESS_LIMIT)
{
	struct group first, rest;
	struct report *r = &self->r;
	struct pl *pl = &r->pl;
	int i, winner = -1;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);
	start_tracing(_metadata, r);
	if (!r->trace[0])
		SKIP(return, "no tracing instance can be made: mount tracefs");

	hold(_metadata, pl, 1 + WAITERS, variant->way, "gate=0", "gate=0", &first,
	     &rest);
	ASSERT_TRUE(kill_and_reap(pl, &first.req[0]));
	ASSERT_TRUE(comes_true(pl, read_gate(0).entered == 2));
	ASSERT_TRUE(set_gate(0, "open"));
	assert_answered(_metadata, pl, &rest);
	expect_success(_metadata, &rest, NULL);
	for (i = 0; i < rest.n; i++)
		if (!rest.req[i].err)
			winner = i;
	ASSERT_LE(0, winner);
	EXPECT_EQ(1, count_trace(r, "module_load_takeover", rest.req[winner].pid,
				 " name=pl_gate "));
	EXPECT_EQ(1, count_trace(r, "module_load_takeover", 0, ""));
	/* All have waited for the one that was killed, all but one once more. */
	EXPECT_EQ(2 * WAITERS - 1, count_trace(r, "module_load_wait", 0, ""));
	EXPECT_EQ(2 * WAITERS - 1, count_trace(r, "module_load_wait_end", 0, ""));
}

/* Counters */

TEST_F_TIMEOUT(report, waits_are_counted, HARNESS_LIMIT)
{
	long long merged, bytes, taken_over, refused, longest;
	struct group first, rest;
	struct report *r = &self->r;
	struct pl *pl = &r->pl;
	double start;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);
	if (read_stat("Mods ever loaded") < 0)
		SKIP(return, "no " STATS ": needs CONFIG_MODULE_STATS");

	merged = read_stat("Requests merged");
	bytes = read_stat("Bytes not laid out");
	taken_over = read_stat("Loads taken over");
	refused = read_stat("Recursions refused");

	hold(_metadata, pl, 2 + WAITERS, variant->way, "gate=0", "gate=0", &first,
	     &rest);
	start = seconds();
	ASSERT_TRUE(kill_and_reap(pl, &first.req[0]));
	ASSERT_TRUE(comes_true(pl, read_gate(0).entered == 2));
	ASSERT_TRUE(all_fall_asleep(pl, &rest));
	start = seconds();
	while (seconds() - start < 0.2)
		nap();
	longest = (seconds() - start) * 1000;
	ASSERT_TRUE(set_gate(0, "open"));
	assert_answered(_metadata, pl, &rest);
	expect_success(_metadata, &rest, NULL);

	/* One of them has loaded it. */
	EXPECT_EQ(merged + WAITERS, read_stat("Requests merged"));
	EXPECT_EQ(taken_over + 1, read_stat("Loads taken over"));
	EXPECT_EQ(refused, read_stat("Recursions refused"));
	EXPECT_LE(0, refused);
	bytes = read_stat("Bytes not laid out") - bytes;
	EXPECT_LT(0, bytes);
	EXPECT_EQ(0, bytes % WAITERS);
	EXPECT_LE(longest, read_stat("Longest wait (ms)"));
}

TEST_HARNESS_MAIN
