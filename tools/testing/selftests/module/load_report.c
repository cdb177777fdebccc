// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test the reports about concurrent loads: the kernel log, modules/loads and modules/stats in
 * debugfs, and the tracepoints.
 *
 * Gates of test_modload_ctl hold the requests. A test that wants no report waits for the report
 * of another load that began later.
 */
#include "modload.h"

#define LIMIT		120	/* seconds */
#define ERESTARTSYS	512
#define SECS		"/sys/module/module/parameters/load_report_secs"
#define DEBUGFS		"/sys/kernel/debug/modules/"
#define TRACE		"/sys/kernel/tracing/instances/load_report/"
#define ME		"(load_report["
#define GATE		PREFIX "gate"
#define OTHER		PREFIX "d6"

/* What a test needs, or skip */
#define N_LOADS		1	/* modules/loads */
#define N_STATS		2	/* modules/stats */
#define N_TRACE		4	/* tracefs */
#define N_OOPS		8	/* "parallel_load.oops" on the command line */
#define N_SHORT		16	/* no wait since boot was longer than LIMIT */

#define CALL(_module, ...) { _module, __VA_ARGS__ }
#define LOAD		CALL("gate")
#define USER		CALL("user")
#define REMOVE		CALL("gate", .remove = true)
#define ARGS(_args)	CALL("gate", .args = _args)
#define READ(_edit)	CALL("gate", .edits = _edit)
#define DEAD(_name)	CALL("gate", _name, E_NO_EXPORT, "oops=init")

struct test {
	const char *name;
	void (*run)(const struct test *t);
	int needs;
	char way;
	struct call first;	/* the owner, held at @gate */
	enum test_modload_gate gate;
	struct call others;	/* its waiters, like the first if it names no module */
	int n;			/* how many */
	const char *secs;	/* the parameter load_report_secs */
	const char *text;	/* expected: a state, or what is waited for */
	int err[2];		/* results of the first and of the others; one of them gets 0 */
	int sig;		/* for the first, or the others */
	int merged;		/* by how much counters increase */
	int taken_over;
	int duplicates;
};

static bool failed;
static int log_fd;
static time_t begun;		/* when the test began, in seconds of CLOCK_MONOTONIC */
static char log_text[1 << 16];	/* lines about this program, since the test began */

#define check(_ok, ...) do {									\
	if (!(_ok)) {										\
		failed = true;									\
		ksft_print_msg(__VA_ARGS__);							\
		printf("\n");									\
	}											\
} while (0)

static const char *read_log(void)
{
	size_t used = strlen(log_text);
	char record[8192], *text, *end;
	ssize_t len;

	while ((len = read(log_fd, record, sizeof(record) - 1)) > 0 || errno == EPIPE) {
		record[len < 0 ? 0 : len] = '\0';
		text = strchr(record, ';');
		end = text ? strchr(text, '\n') : NULL;
		if (!end || !strstr(text, ME))
			continue;
		end[1] = '\0';
		snprintf(log_text + used, sizeof(log_text) - used, "%s", text + 1);
		used += strlen(log_text + used);
	}
	return log_text;
}

static const char *read_loads(void)
{
	static char text[1 << 16];
	int fd = open(DEBUGFS "loads", O_RDONLY | O_CLOEXEC);
	ssize_t len = 0, n;

	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += n;
	close(fd);
	text[len] = '\0';
	return text;
}

/* Return the age of the test in seconds. */
static long age_of_test(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - begun;
}

static int count(const char *text, const char *what)
{
	int n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

/*
 * Find the line "NAME: EVENT (load_report[PID]), N s, END". Return N, or -1 if there is none, or
 * if N is more than the age of this test.
 */
static long find_line(const char *text, const char *name, const char *event, pid_t pid,
		      const char *end)
{
	char head[128], tail[128];
	char *rest;
	long n;

	snprintf(head, sizeof(head), "%s: %s " ME "%d]), ", name, event, pid);
	snprintf(tail, sizeof(tail), " s, %s\n", end);
	for (; text; text = strchr(text, '\n')) {
		text += *text == '\n';
		if (strncmp(text, head, strlen(head)))
			continue;
		n = strtol(text + strlen(head), &rest, 10);
		if (!strncmp(rest, tail, strlen(tail)) && n <= age_of_test() + 1)
			return n;
	}
	return -1;
}

/* Wait for a line in the log. */
static void expect_log(const char *name, const char *event, pid_t pid, const char *end, int secs)
{
	check(wait_for(find_line(read_log(), name, event, pid, end) >= secs),
	      "want %s: %s " ME "%d]), %d s, %s, got %s", name, event, pid, secs, end, log_text);
}

static void expect_lines(const char *what, int n)
{
	check(count(read_log(), what) == n, "log: want %d x \"%s\", got %s", n, what, log_text);
}

static void expect_loads(const char *name, pid_t pid, const char *end)
{
	const char *text;

	check(wait_for(find_line((text = read_loads()), name, "load", pid, end) >= 0 ||
		       find_line(text, name, "removal", pid, end) >= 0),
	      "want %s: load " ME "%d]), N s, %s, got %s", name, pid, end, read_loads());
}

static void expect_results(const char *who, const struct group *g, int zeros, int err)
{
	check(wait_for(!count_waiting(g)), "%s: still waiting", who);
	check(count_err(g, 0) == zeros && count_err(g, err) == (err ? g->n - zeros : g->n),
	      "%s: want %d x 0, others %s, got %s", who, zeros, errno_name(err), results(g));
}

/* Start a request, and see it come to a gate. */
static struct group start_first(const struct call *call, char way, enum test_modload_gate gate)
{
	int inside = read_gate(gate, true);
	struct group g;

	set_gate("close", gate);
	g = start(call, way, 1, NULL);
	check(g.n == 1 && wait_for(read_gate(gate, true) > inside), "first: not at its gate");
	return g;
}

/* Start requests that begin to wait at the same time. */
static struct group start_others(const struct call *call, char way, int n)
{
	int barrier[2];
	struct group g;

	if (pipe(barrier))
		ksft_exit_fail_msg("pipe: %s\n", strerror(errno));
	g = start(call, way, n, barrier);
	close(barrier[0]);
	close(barrier[1]);
	check(g.n == n, "others: cannot be started");
	return g;
}

static void open_gates(void)
{
	int i;

	for (i = 0; i < NR_GATES; i++)
		set_gate("open", i);
}

/* Wait for the report of a new load. Requests that began before it have waited longer. */
static void see_other_reported(const char *secs)
{
	const struct call call = CALL("gate", OTHER, E_NO_EXPORT, "hold=0");
	struct group first;

	write_file(SECS, secs);
	first = start_first(&call, 'i', GATE_PARAM);
	start_others(&call, 'i', 1);
	expect_log(OTHER, "load takes long", first.req->pid, "1 waiters, loading", atoi(secs));
}

static const struct call *others_of(const struct test *t)
{
	return t->others.module ? &t->others : &t->first;
}

static const char *name_of(const struct test *t)
{
	return t->first.edits & E_READ ? "-" : t->first.rename ?: GATE;
}

/* Check that waiters report an owner that takes long in the state t->text. */
static void run_reported(const struct test *t)
{
	const char *event = t->first.remove ? "removal takes long" : "load takes long";
	struct group first, others;
	char end[64];

	write_file(SECS, t->secs);
	first = start_first(&t->first, t->way, t->gate);
	others = start_others(others_of(t), t->way, t->n);
	snprintf(end, sizeof(end), "%d waiters, %s", t->n, t->text);
	expect_log(name_of(t), event, first.req->pid, end, atoi(t->secs));
	/* Requests wait for a removal for 5 s only. */
	if (!t->first.remove)
		see_other_reported(t->secs);
	check(all_asleep(&others), "others: ended early: %s", results(&others));
	expect_lines("takes long", t->first.remove ? 1 : 2);
	open_gates();
	expect_results("first", &first, !t->err[0], t->err[0]);
	expect_results("others", &others, t->first.remove, t->err[1]);
}

/* Check that the owner of a symbol is reported, not the load that needs it. */
static void run_symbol_reported(const struct test *t)
{
	struct group first, user, others;

	write_file(SECS, t->secs);
	first = start_first(&t->first, t->way, t->gate);
	user = start_others(&t->others, t->way, 1);
	check(all_asleep(&user), "user: not asleep");
	others = start_others(&t->others, t->way, t->n);
	expect_log(GATE, "load takes long", first.req->pid, "1 waiters, initializing",
		   atoi(t->secs));
	see_other_reported(t->secs);
	expect_lines("takes long", 2);
	open_gates();
	expect_results("first", &first, 1, 0);
	expect_results("user", &user, 1, 0);
	expect_results("others", &others, 0, EEXIST);
}

/* Check that no load is reported but one that began later. */
static void run_not_reported(const struct test *t)
{
	struct group first, others;

	write_file(SECS, t->secs);
	first = start_first(&t->first, t->way, t->gate);
	others = start_others(others_of(t), t->way, t->n);
	check(all_asleep(&others), "others: not asleep");
	see_other_reported("4");
	expect_lines("takes long", 1);
	open_gates();
	expect_results("first", &first, 1, 0);
	expect_results("others", &others, 0, EEXIST);
}

/* A waiter takes over. The other one has waited long enough, but not for the new owner. */
static void run_takeover_not_reported(const struct test *t)
{
	struct group first, others;
	int i;

	write_file(SECS, t->secs);
	first = start_first(&t->first, t->way, t->gate);
	others = start_others(others_of(t), t->way, t->n);
	for (i = 0; i < 50; i++)
		nap();
	send_signal(&first, SIGKILL);
	check(wait_for(read_gate(t->gate, false) == 2), "others: none has taken over");
	see_other_reported(t->secs);
	expect_lines("takes long", 1);
	open_gates();
	expect_results("others", &others, 1, EEXIST);
}

/* Check that modules/loads has the owner and its state. */
static void run_listed(const struct test *t)
{
	struct group first, others;
	char end[64];

	first = start_first(&t->first, t->way, t->gate);
	others = start_others(others_of(t), t->way, t->n);
	snprintf(end, sizeof(end), "%d waiters, %s", t->n, t->text);
	expect_loads(name_of(t), first.req->pid, end);
	check(count(read_loads(), ME) == 1, "loads: want one, got %s", read_loads());
	open_gates();
	expect_results("first", &first, !t->err[0], t->err[0]);
	expect_results("others", &others, t->first.remove, t->err[1]);
	check(!count(read_loads(), ME), "loads: want none, got %s", read_loads());
}

/* Check that modules/loads has owners that wait, and what they wait for. */
static void run_wait_listed(const struct test *t)
{
	struct group first, others;
	char end[64];
	int i;

	first = start_first(&t->first, 'i', t->gate);
	others = start_others(&t->others, t->way, t->n);
	snprintf(end, sizeof(end), "%d waiters, initializing", t->n);
	expect_loads(GATE, first.req->pid, end);
	for (i = 0; i < others.n; i++)
		expect_loads(*t->others.module == 'u' ? PREFIX "user" : "-", others.req[i].pid,
			     t->text);
	check(count(read_loads(), ME) == 1 + t->n, "loads: got %s", read_loads());
	open_gates();
	expect_results("first", &first, 1, 0);
	expect_results("others", &others, t->err[1] ? 0 : t->n, t->err[1]);
}

/* Let the owner oops, and check that it is reported once. */
static void run_dead(const struct test *t)
{
	const bool named = !(t->first.edits & E_READ_OOPS);
	const char *name = named ? t->first.rename : "-";
	struct group first, others;
	char line[128], end[64];
	pid_t pid;

	first = start_first(&t->first, t->way, t->gate);
	pid = first.req->pid;
	others = start_others(&t->first, t->way, t->n);
	check(all_asleep(&others), "others: not asleep");
	open_gates();
	expect_results("first", &first, 0, KILLED);
	snprintf(end, sizeof(end), "%d waiters, dead", t->n);
	check(find_line(read_loads(), name, "load", pid, end) >= 0, "loads: got %s", read_loads());
	expect_results("others", &others, 0, t->err[1]);
	others = start_others(&t->first, t->way, 1);
	expect_results("late", &others, 0, t->err[1]);
	snprintf(line, sizeof(line), "%s: owner died " ME "%d]), %s\n", name, pid, t->text);
	expect_lines(line, 1);
	expect_lines("owner died", 1);
	check(!count(read_loads(), ME), "loads: want none, got %s", read_loads());
}

static void start_tracing(const char *on)
{
	write_file(TRACE "events/module/module_wait_begin/enable", on);
	write_file(TRACE "events/module/module_wait_end/enable", on);
}

/* Find the only record of an event by @pid. Return its time, and in @ns what it ends with. */
static double find_record(const char *event, pid_t pid, const char *text, double *ns)
{
	char line[512], task[32], what[192], *found, *p;
	double t = -1;
	int n = 0;
	FILE *f;

	snprintf(task, sizeof(task), "load_report-%d ", pid);
	snprintf(what, sizeof(what), ": %s: %s", event, text);
	f = fopen(TRACE "trace", "re");
	while (f && fgets(line, sizeof(line), f)) {
		found = strstr(line, event);
		if (!found || !strstr(line, task))
			continue;
		n++;
		found = strstr(line, what);
		if (!found) {
			check(false, "trace: want %s, got %s", what, line);
			continue;
		}
		*ns = strtod(found + strlen(what), NULL);
		*found = '\0';
		p = strrchr(line, ' ');
		t = p ? strtod(p, NULL) : -1;
	}
	if (f)
		fclose(f);
	check(n == 1, "trace: want one %s, got %d", event, n);
	return t;
}

/* Check the trace of the begin and the end of a wait. */
static void run_traced(const struct test *t)
{
	struct group first, others;
	const char *name = t->way == 'f' ? "-" : GATE;
	double begin, end, ns = 0;
	char text[128];
	pid_t pid[2];
	int i;

	mkdir(TRACE, 0700);
	start_tracing("1");
	first = start_first(&t->first, t->way, t->gate);
	others = start_others(others_of(t), t->way, 1);
	pid[0] = first.req->pid;
	pid[1] = others.req->pid;
	check(all_asleep(&others), "others: not asleep");
	for (i = 0; i < 30; i++)
		nap();
	if (t->sig)
		send_signal(&others, t->sig);
	else
		open_gates();
	check(wait_for(!count_waiting(&others)), "others: still waiting");
	start_tracing("0");
	snprintf(text, sizeof(text), GATE " pid=%d need=%s\n", pid[0], t->text);
	begin = find_record("module_wait_begin", pid[1], text, &ns);
	snprintf(text, sizeof(text), "%s need=%s err=%d ns=", name, t->text, -t->err[1]);
	end = find_record("module_wait_end", pid[1], text, &ns);
	check(ns > (end - begin) * 0.5e9 && ns < (end - begin) * 2e9,
	      "ns: got %.0f, %f to %f", ns, begin, end);
	open_gates();
	wait_for(!count_waiting(&first));
	check(!rmdir(TRACE), "trace: %s", strerror(errno));
}

/* Read a counter from its own file, and see the same in modules/stats. */
static long read_counter(const char *file, const char *text)
{
	char path[64], buf[16384], value[32], line[64];
	long n;

	snprintf(path, sizeof(path), DEBUGFS "%s", file);
	read_file(path, value, sizeof(value));
	n = strtol(value, NULL, 10);
	read_file(DEBUGFS "stats", buf, sizeof(buf));
	snprintf(line, sizeof(line), " %s\t%ld\n", text, n);
	check(*value && strstr(buf, line), "stats: want%s", line);
	return n;
}

/* Return how many requests for the module are duplicates in modules/stats. */
static long read_duplicates(void)
{
	char buf[16384], *line;

	read_file(DEBUGFS "stats", buf, sizeof(buf));
	line = strstr(buf, GATE "\t");
	return line ? strtol(line + strlen(GATE "\t"), NULL, 10) : 0;
}

/* Check the counters of requests. */
static void run_counted(const struct test *t)
{
	long merged = read_counter("merged_requests", "Requests merged");
	long taken_over = read_counter("taken_over_loads", "Loads taken over");
	long duplicates = read_duplicates();
	struct group first, others;

	first = start_first(&t->first, t->way, t->gate);
	others = start_others(others_of(t), t->way, t->n);
	check(all_asleep(&others), "others: not asleep");
	send_signal(t->sig == SIGKILL ? &first : &others, t->sig);
	check(wait_for(!t->sig || !count_waiting(t->sig == SIGKILL ? &first : &others)),
	      "requests: not interrupted");
	open_gates();
	check(wait_for(!count_waiting(&first) && !count_waiting(&others)), "requests: not ended");
	merged = read_counter("merged_requests", "Requests merged") - merged;
	taken_over = read_counter("taken_over_loads", "Loads taken over") - taken_over;
	duplicates = read_duplicates() - duplicates;
	check(merged == t->merged && taken_over == t->taken_over && duplicates == t->duplicates,
	      "want %d merged, %d taken over, %d duplicates, got %ld, %ld, %ld", t->merged,
	      t->taken_over, t->duplicates, merged, taken_over, duplicates);
}

/* Check that the longest wait grows with a longer wait. */
static void run_longest_counted(const struct test *t)
{
	long ms, longest = read_counter("longest_wait_ms", "Longest wait ms");
	struct group first, others;
	char secs[24];

	set_deadline(2 * LIMIT);
	snprintf(secs, sizeof(secs), "%ld", longest / 1000 + 1);
	first = start_first(&t->first, t->way, t->gate);
	others = start_others(others_of(t), t->way, t->n);
	check(all_asleep(&others), "others: not asleep");
	see_other_reported(secs);
	open_gates();
	check(wait_for(!count_waiting(&first) && !count_waiting(&others)), "requests: not ended");
	ms = read_counter("longest_wait_ms", "Longest wait ms");
	check(ms >= 1000 * atoi(secs) && ms <= 1000 * (age_of_test() + 1),
	      "longest wait: want %s s at least, got %ld ms in %ld s", secs, ms, age_of_test());
}

#define REPORTED(_name, _way, _text, ...)							\
	{ "slow_" _name "_reported", run_reported, 0, _way, __VA_ARGS__, .text = _text }
#define LISTED(_name, _way, _text, ...)								\
	{ _name "_listed", run_listed, N_LOADS, _way, __VA_ARGS__, .text = _text, .n = 2 }
#define TRACED(_name, _way, _text, ...)								\
	{ _name "_traced", run_traced, N_TRACE, _way, __VA_ARGS__, .text = _text }
#define COUNTED(_name, _way, ...)								\
	{ _name, run_counted, N_STATS, _way, __VA_ARGS__, .n = 3 }
#define NOT_REPORTED(_name, _n, _secs)								\
	{ _name "_not_reported", run_not_reported, 0, 'i', LOAD, GATE_INIT, .n = _n, .secs = _secs }

static const struct test tests[] = {
	REPORTED("init", 'i', "initializing", LOAD, GATE_INIT, .n = 3, .secs = "2",
		 .err = { 0, EEXIST }),
	REPORTED("file", 'f', "initializing", LOAD, GATE_INIT, .n = 3, .secs = "2",
		 .err = { 0, EEXIST }),
	REPORTED("copy", 'c', "initializing", LOAD, GATE_INIT, .n = 3, .secs = "2",
		 .err = { 0, EEXIST }),
	REPORTED("read", 'f', "reading", READ(E_READ), GATE_READ, .n = 2, .secs = "2",
		 .err = { EIO, EIO }),
	REPORTED("parameter", 'i', "loading", ARGS("hold=0"), GATE_PARAM, .n = 2, .secs = "2",
		 .err = { 0, EEXIST }),
	REPORTED("failure", 'i', "failing", ARGS("ret=-19"), GATE_GOING, .n = 2, .secs = "2",
		 .err = { ENODEV, ENODEV }),
	REPORTED("removal", 'i', "removing", REMOVE, GATE_EXIT, LOAD, .n = 2, .secs = "1",
		 .err = { 0, EEXIST }),
	{ "slow_symbol_reported", run_symbol_reported, 0, 'i', LOAD, GATE_INIT, USER, 2, "2" },
	NOT_REPORTED("zero_secs", 2, "0"),
	NOT_REPORTED("huge_secs", 2, "4294967295"),
	NOT_REPORTED("large_secs", 2, "2147483648"),
	NOT_REPORTED("no_waiters", 0, "1"),
	{ "takeover_not_reported", run_takeover_not_reported, 0, 'i', LOAD, GATE_INIT, .n = 2,
	  .secs = "3" },
	LISTED("read", 'f', "reading", READ(E_READ), GATE_READ, .err = { EIO, EIO }),
	LISTED("parameter", 'i', "loading", ARGS("hold=0"), GATE_PARAM, .err = { 0, EEXIST }),
	LISTED("init", 'f', "initializing", LOAD, GATE_INIT, .err = { 0, EEXIST }),
	LISTED("failure", 'i', "failing", ARGS("ret=-19"), GATE_GOING, .err = { ENODEV, ENODEV }),
	LISTED("removal", 'i', "removing", REMOVE, GATE_EXIT, LOAD, .err = { 0, EEXIST }),
	{ "symbol_wait_listed", run_wait_listed, N_LOADS, 'i', LOAD, GATE_INIT, USER, 1,
	  .text = "0 waiters, loading, waits for " GATE },
	/* More than fits a page */
	{ "name_waits_listed", run_wait_listed, N_LOADS, 'c', LOAD, GATE_INIT, LOAD, 100,
	  .text = "0 waiters, reading, waits for " GATE, .err = { 0, EEXIST } },
	TRACED("file_wait", 'f', "file", LOAD, GATE_INIT, .err = { 0, EEXIST }),
	TRACED("name_wait", 'i', "name", LOAD, GATE_INIT, .err = { 0, EEXIST }),
	TRACED("symbol_wait", 'i', "symbol", LOAD, GATE_INIT, USER),
	TRACED("removal_wait", 'i', "name", REMOVE, GATE_EXIT, LOAD),
	TRACED("interrupted_wait", 'i', "name", LOAD, GATE_INIT, .err = { 0, ERESTARTSYS },
	       .sig = SIGUSR2),
	COUNTED("waiters_counted", 'i', LOAD, GATE_INIT, .merged = 3, .duplicates = 3),
	COUNTED("file_waiters_counted", 'f', LOAD, GATE_INIT, .merged = 3),
	COUNTED("shared_errors_counted", 'i', ARGS("ret=-19"), GATE_INIT, .merged = 3),
	COUNTED("takeover_counted", 'i', LOAD, GATE_INIT, .sig = SIGKILL, .merged = 2,
		.taken_over = 1, .duplicates = 2),
	COUNTED("interrupted_not_counted", 'i', LOAD, GATE_INIT, .sig = SIGUSR2),
	COUNTED("symbol_wait_not_counted", 'i', LOAD, GATE_INIT, USER, .merged = 2),
	{ "longest_wait_counted", run_longest_counted, N_STATS | N_SHORT, 'i', LOAD, GATE_INIT,
	  .n = 1 },
	/* The modules stay until a reboot */
	{ "dead_owner_reported", run_dead, N_LOADS | N_OOPS, 'i', DEAD("test_modload_d5"),
	  GATE_INIT, .n = 2, .text = "requests fail with -EBUSY until reboot",
	  .err = { 0, EBUSY } },
	{ "dead_reader_reported", run_dead, N_LOADS | N_OOPS, 'f', READ(E_READ_OOPS), GATE_READ,
	  .n = 2, .text = "waiters retry", .err = { 0, ENXIO } },
};

static const char *find_missing(const struct test *t)
{
	char boot[4096];

	read_file("/proc/cmdline", boot, sizeof(boot));
	if (t->needs & N_LOADS && access(DEBUGFS "loads", R_OK))
		return "no " DEBUGFS "loads";
	if (t->needs & N_STATS && access(DEBUGFS "stats", R_OK))
		return "no " DEBUGFS "stats";
	if (t->needs & N_TRACE && access("/sys/kernel/tracing/events/module", F_OK))
		return "no /sys/kernel/tracing/events/module";
	if (t->needs & N_OOPS && !strstr(boot, "parallel_load.oops"))
		return "no parallel_load.oops on the command line";
	if (t->needs & N_SHORT &&
	    read_counter("longest_wait_ms", "Longest wait ms") > 1000 * LIMIT)
		return "a wait was too long since boot";
	return NULL;
}

static void run_test(const struct test *t)
{
	const struct call load_call = LOAD;
	char secs[16];

	failed = false;
	log_text[0] = '\0';
	lseek(log_fd, 0, SEEK_END);
	set_deadline(LIMIT);
	begun = deadline.tv_sec - LIMIT;
	set_gate("reset", 0);
	read_file(SECS, secs, sizeof(secs));
	if (t->first.remove)
		check(!load(get_image(&load_call), ""), "setup: not loaded");
	if (*secs)
		t->run(t);
	else
		check(false, "no " SECS);
	write_file(SECS, secs);
	open_gates();
	set_deadline(LIMIT);
	if (!end_requests())
		ksft_exit_fail_msg("%s: a process cannot be killed\n", t->name);
	if (!wait_for((unload(PREFIX "user"), unload(OTHER), unload(GATE) == ENOENT)))
		ksft_exit_fail_msg("%s: a module cannot be unloaded\n", t->name);
}

int main(int argc, char **argv)
{
	const char *select = argv[1] ?: "", *missing;
	struct call ctl = CALL("ctl");
	const struct test *t;
	int n = 0;

	ksft_print_header();
	if (!get_image(&ctl) || load(get_image(&ctl), ""))
		ksft_exit_skip("test_modload_ctl: not loaded: %s\n", strerror(errno));
	log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	for (t = tests; t < tests + ARRAY_SIZE(tests); t++)
		n += !!strstr(t->name, select);
	ksft_set_plan(n);
	for (t = tests; t < tests + ARRAY_SIZE(tests); t++) {
		if (!strstr(t->name, select))
			continue;
		missing = access(SECS, W_OK) ? NULL : find_missing(t);
		if (missing) {
			ksft_test_result_skip("%s %s\n", t->name, missing);
			continue;
		}
		run_test(t);
		ksft_test_result(!failed, "%s\n", t->name);
	}
	unload(PREFIX "ctl");
	ksft_finished();
}
