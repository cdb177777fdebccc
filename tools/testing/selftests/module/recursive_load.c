// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test modules whose init and exit functions request each other.
 *
 * A case is a row of a table. Its loads, and the loads that helpers of request_module() make,
 * are brought into place in the order of its steps. Then all results are compared with the row,
 * and all refusals in the kernel log.
 *
 * This program is also the helper. The kernel runs the helper as /proc/PID/exe, where PID is the
 * program that runs the test. The helper finds the shared memory there.
 */
#include <ctype.h>
#include <sched.h>

#pragma GCC diagnostic ignored "-Wunused-function"
#include "modload.h"

#define MODPROBE	"/proc/sys/kernel/modprobe"
#define SHARED_FD	99
#define LIMIT		60	/* seconds */
#define MAX_HELPS	8
#define HOG_CPU		1

/* One of the helpers fails with EDEADLK, the others with EEXIST. */
#define EITHER		(-20)

/* What a helper does for a name, and the last request that it made */
struct help {
	char name[56];
	char args[64];
	char way;
	char how;	/* c(hild), s(hell), o(rphan), p(air): the other child does the next row */
	int fd;		/* of the image, in the program that runs the test */
	pid_t pid;	/* of the helper */
	struct request req;
	int begun, ended, succeeded, refused, failed;
};

static struct help *helps;

struct helper_case {
	const char *name;
	struct call call;
	int err;
	const char *chain;	/* in the log if it is refused, see expect_line() */
	char how;
};

struct test_case {
	const char *name;
	struct call loads[3];
	struct helper_case helps[3];
	const char *steps;	/* see run_steps() */
	int err[3];		/* results of the loads */
	struct call others;
	int nr_others;
	int others_loaded;	/* so many of them get 0, the rest EEXIST */
	const char *by;		/* ways of the loads, if they differ; helpers have the third */
	const char *needs;
};

#define CALL(_module, ...) { _module, __VA_ARGS__ }
#define A(_args)	CALL("gate", PREFIX "a", E_NO_EXPORT, _args)
#define B(_args)	CALL("gate", PREFIX "b", E_NO_EXPORT, _args)
#define C(_args)	CALL("gate", PREFIX "c", E_NO_EXPORT, _args)
#define LATE(_args)	CALL("gate", PREFIX "a", E_LATE_EXPORT, _args)
#define REMOVE_A	CALL("gate", PREFIX "a", E_NO_EXPORT, .remove = true)
#define GATE(_args)	CALL("gate", .args = _args)
#define USER		CALL("user")
#define LATE_USER	CALL("user", .edits = E_LATE_SYMBOL)
#define ASK(_name)	"ask=" PREFIX _name
#define HELP(_name, ...) { PREFIX _name, __VA_ARGS__ }
#define OWN(_name, _how, ...)									\
	{ _name, { A(ASK("a")) }, { HELP("a", A(""), EDEADLK, "H0 aL0", _how) }, "s0",		\
	  ## __VA_ARGS__ }
#define TWO(_name, _steps, _err0, _err1)							\
	{ _name, { A("gate=0 " ASK("b")), B("gate=1 " ASK("a")) },				\
	  { HELP("b", B(""), _err0, "H0 bL1 H1 aL0"), HELP("a", A(""), _err1, "H1 aL0 H0 bL1") }, \
	  _steps }
#define OUTSIDER(_name, ...)									\
	{ _name, { LATE("gate=0"), GATE("gate=1 " ASK("user")), LATE_USER }, { __VA_ARGS__ },	\
	  "ssw1a0" }

static const struct test_case cases[] = {
	OWN("own_module_refused", 0),
	OWN("child_refused", 'c'),
	OWN("shell_refused", 's', .needs = "/bin/sh"),
	{ "own_alias_refused", { A("ask=modload-alias") },
	  { { "modload-alias", A(""), EDEADLK, "H0 aL0" } }, "s0" },
	{ "orphan_not_seen", { A(ASK("a")) }, { HELP("a", A(""), KILLED, NULL, 'o') }, "s0akl" },
	{ "requester_refused", { A(ASK("b")) },
	  { HELP("b", B(ASK("a")), 0), HELP("a", A(""), EDEADLK, "H1 aL0 bH0") }, "s0" },
	{ "live_requester_refused", { A(ASK("b")) },
	  { HELP("b", B("live_" ASK("a")), 0), HELP("a", A(""), EDEADLK, "H1 aL0 bH0") }, "s0" },
	TWO("two_at_once_refused", "ss01", EITHER, EITHER),
	TWO("second_of_two_refused", "ss0a1", EEXIST, EDEADLK),
	TWO("first_of_two_refused", "ss1b0", EDEADLK, EEXIST),
	{ "third_nested_refused", { A(ASK("b")) },
	  { HELP("b", B(ASK("c")), 0), HELP("c", C(ASK("a")), 0),
	    HELP("a", A(""), EDEADLK, "H2 aL0 bH0 cH1") }, "s0" },
	{ "ring_of_three_refused",
	  { A("gate=0 " ASK("b")), B("gate=1 " ASK("c")), C("gate=2 " ASK("a")) },
	  { HELP("b", B(""), EEXIST), HELP("c", C(""), EEXIST),
	    HELP("a", A(""), EDEADLK, "H2 aL0 H0 bL1 H1 cL2") }, "sss0a1b2" },
	{ "symbol_refused", { GATE(ASK("user")) },
	  { HELP("user", USER, EDEADLK, "uH0 gL0") }, "s0" },
	{ "symbol_refusal_not_shared", { LATE("gate=0"), GATE("gate=1 then=6 " ASK("user")) },
	  { HELP("user", LATE_USER, EDEADLK, "uH0 gL1") }, "ss1ao0AO",
	  .others = LATE_USER, .nr_others = 8, .others_loaded = 1 },
	{ "outsider_not_refused", { GATE(ASK("user")), USER },
	  { HELP("user", USER, EDEADLK, "H0 uL1 gL0") }, "sw0" },
	{ "outsider_with_file", { A(ASK("a")), A("") }, { HELP("a", A(""), EDEADLK, "H0 L1 aL0") },
	  "sw0", { 0, EEXIST }, .by = "cff" },
	OUTSIDER("sleeper_refused", HELP("user", LATE_USER, EDEADLK, "H0 uL2 gL1")),
	OUTSIDER("two_sleepers_refused", HELP("user", LATE_USER, EDEADLK, "H0 uL2 gL1", 'p'),
		 { "", LATE_USER, EDEADLK, "H1 uL2 gL1" }),
	{ "waiters_not_refused", { A(ASK("a")) }, { HELP("a", A(""), EDEADLK, "H0 aL0") }, "so0",
	  .others = A(ASK("a")), .nr_others = 16 },
	{ "handover_refused", { A(ASK("b")), B("gate=1 ret=-19"), B("gate=1 ret=-19") },
	  { HELP("b", B("tag=1"), EDEADLK, "H0 bO0 H1 aL0"), HELP("a", A(""), EEXIST) },
	  "ssw0ap1xo2bq", { 0, ENODEV, ENODEV }, B("gate=2 " ASK("a")), 1, 1, "iif" },
	{ "nowait_not_refused", { A("nowait=1 then=6 " ASK("a")) },
	  { HELP("a", A(""), EEXIST) }, "s0a" },
	{ "exit_refused", { A("exit_request=" PREFIX "a"), REMOVE_A },
	  { HELP("a", A(""), EDEADLK, "H0 aL1") }, "s0.r" },
	{ "helper_killed", { A(ASK("b")), B("gate=1") }, { HELP("b", B(""), KILLED) }, "ss0akl" },
	{ "helper_forgotten", { A("then=6 " ASK("b")), B("gate=1 " ASK("a")) },
	  { HELP("b", B(""), EEXIST, NULL, 'c'), HELP("a", A(""), EEXIST) }, "ss0aht1b" },
	{ "requester_killed", { A(ASK("b")), B("gate=1 " ASK("a")) },
	  { HELP("b", B(""), EEXIST), HELP("a", A(""), 0) }, "ss0aK1", { KILLED } },
};

/* Modules of which each requests the next. "-" requests none. */
static const struct {
	const char *name;
	const char *next;
} storms[] = {
	{ "storm_ring_refused", "bcdefgha" },
	{ "storm_rings_refused", "bcaedgfh" },
	{ "storm_pairs_refused", "badcfehg" },
	{ "storm_tails_refused", "bcdedbda" },
	{ "storm_chain_not_refused", "bcdefgh-" },
	{ "storm_tree_not_refused", "ddeehhh-" },
};

static struct group loads[3], others;
static pid_t load_pids[3], others_pid;	/* as they began */
static bool failed;

#define check(_ok, _fmt, ...) do {								\
	if (!(_ok)) {										\
		failed = true;									\
		ksft_print_msg(_fmt "\n", ## __VA_ARGS__);					\
	}											\
} while (0)

/* The helper */

/* Make the request of a row. The helper exits with what this returns. */
static int make_helper_request(struct help *help, pid_t tester)
{
	struct request req = { .err = WAITING, .switches = -1 };
	struct image image = {};
	char path[64];
	int err;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", tester, help->fd);
	image.fd = open(path, O_RDONLY | O_CLOEXEC);
	image.len = lseek(image.fd, 0, SEEK_END);
	image.data = mmap(NULL, image.len, PROT_READ, MAP_PRIVATE, image.fd, 0);
	req.nr = help->way == 'i' ? __NR_init_module : __NR_finit_module;
	req.pid = getpid();
	help->req = req;
	__atomic_fetch_add(&help->begun, 1, __ATOMIC_SEQ_CST);

	if (help->way == 'i')
		err = load(&image, help->args);
	else
		err = syscall(__NR_finit_module, image.fd, help->args, 0) ? errno : 0;

	help->req.err = err;
	__atomic_fetch_add(!err ? &help->succeeded : err == EDEADLK ? &help->refused :
			   err == EEXIST ? &(int){ 0 } : &help->failed, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&help->ended, 1, __ATOMIC_SEQ_CST);
	return err && err != EEXIST;
}

static pid_t fork_request(struct help *help, pid_t tester)
{
	pid_t pid = fork();

	if (!pid)
		_exit(make_helper_request(help, tester));
	return pid;
}

/* Have the request made by a process that does not descend from this one, and wait for it. */
static int fork_orphan(struct help *help, pid_t tester)
{
	pid_t parent;
	int fds[2];

	if (pipe(fds))
		return 1;
	parent = fork();
	if (!parent) {
		parent = getpid();
		if (fork())
			_exit(0);
		close(fds[0]);
		while (getppid() == parent)
			usleep(1000);
		_exit(make_helper_request(help, tester));
	}
	close(fds[1]);
	waitpid(parent, NULL, 0);
	return read(fds[0], &parent, 1);
}

static int run_helper(const char *self, const char *name, int row)
{
	pid_t tester = atoi(self + strlen("/proc/"));
	struct help *help;
	char text[128];

	alarm(LIMIT);
	snprintf(text, sizeof(text), "/proc/%d/fd/%d", tester, SHARED_FD);
	helps = mmap(NULL, MAX_HELPS * sizeof(*helps), PROT_READ | PROT_WRITE, MAP_SHARED,
		     open(text, O_RDWR | O_CLOEXEC), 0);
	if (helps == MAP_FAILED)
		return 1;
	if (!name)
		return make_helper_request(&helps[row], tester);
	for (help = helps; help < helps + MAX_HELPS && strcmp(help->name, name);)
		help++;
	if (help == helps + MAX_HELPS)
		return 1;
	help->pid = getpid();
	switch (help->how) {
	case 's':
		/* The shell would become this program if this were its last command. */
		snprintf(text, sizeof(text), "%s --row %d; exit $?", self, (int)(help - helps));
		return system(text);
	case 'o':
		return fork_orphan(help, tester);
	case 'p':
		fork_request(help + 1, tester);
		fork_request(help, tester);
		while (wait(NULL) > 0)
			;
		return 0;
	case 'c':
		return waitpid(fork_request(help, tester), NULL, 0) < 0;
	}
	return make_helper_request(help, tester);
}

/* The test */

static void plan_help(struct help *help, const char *name, const struct call *call, char way,
		      char how)
{
	const struct image *image = get_image(call);

	*help = (struct help){ .way = way, .how = how, .fd = image ? image->fd : -1 };
	snprintf(help->name, sizeof(help->name), "%s", name);
	snprintf(help->args, sizeof(help->args), "%s", call->args ?: "");
}

static bool is_done(const struct help *help)
{
	return help->begun == help->ended;
}

/* Start the next load. Wait until it stands at its gate, or sleeps. */
static void start_load(const struct test_case *t, int nr, char way, char step)
{
	const char *gate = strstr(t->loads[nr].args ?: "", "gate=");

	loads[nr] = start(&t->loads[nr], t->by ? t->by[nr] : way, 1, NULL);
	load_pids[nr] = loads[nr].n ? loads[nr].req->pid : 0;
	check(load_pids[nr], "load %d: not started", nr);
	if (step == 's')
		check(wait_for(read_gate(gate ? atoi(gate + 5) : 0, true)),
		      "load %d: not at its gate: %s", nr, results(&loads[nr]));
	if (step == 'w')
		check(all_asleep(&loads[nr]), "load %d: not asleep: %s", nr, results(&loads[nr]));
}

/*
 * Keep @pid from returning from its system call. Let a process of higher priority occupy the
 * only CPU that @pid may run on. Return the ID of that process, or -1.
 */
static pid_t hold_off(pid_t pid)
{
	cpu_set_t hog_cpu, other_cpus;
	int ready[2];
	pid_t hog;
	char c;

	CPU_ZERO(&hog_cpu);
	CPU_SET(HOG_CPU, &hog_cpu);
	sched_getaffinity(0, sizeof(other_cpus), &other_cpus);
	CPU_CLR(HOG_CPU, &other_cpus);
	if (sched_setaffinity(0, sizeof(other_cpus), &other_cpus) || pipe(ready) ||
	    sched_setaffinity(pid, sizeof(hog_cpu), &hog_cpu) ||
	    sched_setscheduler(pid, SCHED_FIFO, &(struct sched_param){ 1 }))
		return -1;
	hog = fork();
	if (!hog) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!sched_setaffinity(0, sizeof(hog_cpu), &hog_cpu) &&
		    !sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ 2 }) &&
		    write(ready[1], "", 1) == 1)
			for (;;)
				;
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		hog = -1;
	close(ready[0]);
	return hog;
}

static void run_steps(const struct test_case *t, char way)
{
	cpu_set_t cpus;
	const char *s;
	int nr = 0, i;
	pid_t hog = 0;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (s = t->steps; *s && !failed; s++) {
		switch (*s) {
		case 's': /* a load starts and stands at its gate */
		case 'w': /* a load starts and waits */
		case 'r': /* a removal starts */
			start_load(t, nr++, way, *s);
			break;
		case '.': /* all of them have ended */
			for (i = 0; i < nr; i++)
				check(wait_for(!count_waiting(&loads[i])), "load %d: waits", i);
			break;
		case 'l':
		case 'x': /* the first or the second one has ended */
			i = *s == 'x';
			check(wait_for(!count_waiting(&loads[i])), "load %d: waits", i);
			break;
		case 'o': /* the others start, and all of them wait or stand at their gate */
		case 'O': /* they still do */
			if (*s == 'o')
				others = start(&t->others, way, t->nr_others, NULL);
			if (*s == 'o' && others.n)
				others_pid = others.req->pid;
			check(others.n == t->nr_others && all_asleep(&others) &&
			      count_waiting(&others) == others.n,
			      "others: not asleep: %s", results(&others));
			break;
		case 'a':
		case 'b': /* a request of a helper waits */
			i = *s - 'a';
			check(wait_for(helps[i].begun && is_asleep(&helps[i].req)) &&
			      !helps[i].ended, "helper %d: not asleep: %s", i,
			      errno_name(helps[i].req.err));
			break;
		case 'A': /* the request of the first helper has ended */
			check(wait_for(helps[0].ended), "helper 0: waits");
			break;
		case 'k':
			kill(helps[0].req.pid, SIGKILL);
			break;
		case 'h':
			kill(helps[0].pid, SIGKILL);
			break;
		case 'K':
			send_signal(&loads[0], SIGKILL);
			check(wait_for(!count_waiting(&loads[0])), "load 0: not killed");
			break;
		case 't': /* the first load no longer waits for its helper */
			check(wait_for(read_gate(6, true)), "load 0: not at its second gate");
			break;
		case 'p':
			hog = hold_off(load_pids[2]);
			check(hog > 0, "load 2: cannot be held: %s", strerror(errno));
			break;
		case 'q':
			kill(hog, SIGKILL);
			waitpid(hog, NULL, 0);
			hog = 0;
			break;
		default:
			set_gate("open", *s - '0');
		}
	}
	if (hog > 0) {
		kill(hog, SIGKILL);
		waitpid(hog, NULL, 0);
	}
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* Return the next refusal in the kernel log in a static buffer, or NULL. */
static const char *read_refusal(int log)
{
	static char record[8192];
	ssize_t len;

	while ((len = read(log, record, sizeof(record) - 1)) > 0 || (len < 0 && errno == EPIPE)) {
		record[len < 0 ? 0 : len] = '\0';
		record[strcspn(record, "\n")] = '\0';
		if (strstr(record, ": refusing load by "))
			return strchr(record, ';') + 1;
	}
	return NULL;
}

/*
 * Expand a chain such as "H0 aL1": the request of helper 0 waits for load 1, which owns the
 * name of module a. The line begins with the first name.
 */
static const char *expect_line(const char *chain)
{
	static char line[1024];
	char text[768], task[32], first[32] = "", module[64], name[64] = "";
	size_t len = 0;

	for (; *chain; chain += strspn(chain, " ")) {
		bool named = islower(*chain);
		int nr = chain[named + 1] - '0';

		snprintf(module, sizeof(module), PREFIX "%.*s", named, chain);
		if (*chain == 'g' || *chain == 'u')
			snprintf(module, sizeof(module), PREFIX "%s",
				 *chain == 'g' ? "gate" : "user");
		if (named && !*name)
			snprintf(name, sizeof(name), "%s", module);
		chain += named;
		snprintf(task, sizeof(task), "%s[%d]", *chain == 'H' ? "exe" : "recursive_load",
			 *chain == 'H' ? helps[nr].req.pid :
			 *chain == 'O' ? others_pid : load_pids[nr]);
		chain += 2;
		len += snprintf(text + len, sizeof(text) - len, named ? "%s%s (%s)" : "%s%.0s%s",
				*first ? " -> " : "", module, task);
		if (!*first)
			snprintf(first, sizeof(first), "%s", task);
	}
	snprintf(line, sizeof(line), "%s: refusing load by %s, would deadlock: %s", name, first,
		 text);
	return line;
}

/* Check that the log has a line for each refused helper, and no other refusal. */
static void check_log(const struct test_case *t, int log)
{
	char lines[4][1024];
	const char *line;
	int n = 0, i, j;

	while ((line = read_refusal(log)) && n < (int)ARRAY_SIZE(lines))
		snprintf(lines[n++], sizeof(lines[0]), "%s", line);
	for (i = 0; i < (int)ARRAY_SIZE(t->helps); i++) {
		if (!helps[i].refused || !t->helps[i].chain)
			continue;
		line = expect_line(t->helps[i].chain);
		for (j = 0; j < n && strcmp(lines[j], line);)
			j++;
		check(j < n, "log: want %s", line);
		if (j < n)
			*lines[j] = '\0';
	}
	for (j = 0; j < n; j++)
		check(!*lines[j], "log: got %s", lines[j]);
}

static bool unload_all(void)
{
	char name[] = PREFIX "a";
	bool gone = unload(PREFIX "user") == ENOENT;

	gone &= unload(PREFIX "gate") == ENOENT;
	for (; name[strlen(PREFIX)] <= 'h'; name[strlen(PREFIX)]++)
		gone &= unload(name) == ENOENT;
	return gone;
}

static void clean_up(const char *name)
{
	struct help *help;

	set_deadline(LIMIT);
	for (help = helps; help < helps + MAX_HELPS; help++) {
		if (!is_done(help))
			kill(help->req.pid, SIGKILL);
	}
	if (!end_requests())
		ksft_exit_fail_msg("%s: a process cannot be killed\n", name);
	if (!wait_for(unload_all()))
		ksft_exit_fail_msg("%s: a module cannot be unloaded\n", name);
	memset(helps, 0, MAX_HELPS * sizeof(*helps));
}

static bool all_ended(const struct test_case *t)
{
	int i, n = count_waiting(&others);

	for (i = 0; i < 3; i++) {
		n += count_waiting(&loads[i]);
		if (t->helps[i].name && t->helps[i].err != KILLED)
			n += !helps[i].begun || !is_done(&helps[i]);
	}
	return !n;
}

static void run_case(const struct test_case *t, char way)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK), i, refused = 0, either = 0;
	const struct helper_case *help;

	lseek(log, 0, SEEK_END);
	set_deadline(LIMIT);
	memset(loads, 0, sizeof(loads));
	memset(&others, 0, sizeof(others));
	for (i = 0, help = t->helps; i < 3 && help->name; i++, help++)
		plan_help(&helps[i], help->name, &help->call, t->by ? t->by[2] : way, help->how);
	for (i = 0; i < NR_GATES; i++)
		set_gate("reset", i);
	for (i = 0; i < 3; i++)
		set_gate("close", i);
	set_gate("close", 6);
	run_steps(t, way);

	for (i = 0; i < NR_GATES; i++)
		set_gate("open", i);
	check(wait_for(all_ended(t)), "a request waits");
	for (i = 0; i < 3 && t->loads[i].module; i++)
		check(loads[i].n && loads[i].req->err == t->err[i], "load %d: want %s, got %s", i,
		      errno_name(t->err[i]), results(&loads[i]));
	i = count_err(&others, 0);
	check(i == t->others_loaded && i + count_err(&others, EEXIST) == others.n,
	      "others: want %d x 0, others EEXIST, got %s", t->others_loaded, results(&others));
	for (i = 0, help = t->helps; i < 3 && help->name; i++, help++) {
		int err = is_done(&helps[i]) ? helps[i].req.err : KILLED;
		int want = help->err == EITHER ? (err == EDEADLK ? EDEADLK : EEXIST) : help->err;

		either += help->err == EITHER;
		refused += help->err == EITHER && err == EDEADLK;
		check(helps[i].begun == 1 && err == want, "helper %d: want %s, got %s, %d times", i,
		      errno_name(want), errno_name(err), helps[i].begun);
	}
	check(!either || refused == 1, "helpers: want one EDEADLK, got %d", refused);
	check_log(t, log);
	close(log);
	clean_up(t->name);
}

/* Return whether module @nr requests itself, directly or through other modules. */
static bool is_in_cycle(const char *next, int nr)
{
	int pos = nr, i;

	for (i = 0; i < 8 && next[pos] != '-'; i++) {
		pos = next[pos] - 'a';
		if (pos == nr)
			return true;
	}
	return false;
}

/* Make 64 requests for eight modules at once. Each module requests the next. */
static void run_storm(const char *name, const char *next, char way)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK), barrier[2], i, n;
	int loaded = 0, refused = 0, in_cycle = 0, outside = 0, lines = 0;
	char args[8][64], names[8][64];
	struct group g[8], all;

	lseek(log, 0, SEEK_END);
	set_deadline(LIMIT);
	for (i = 0; i < NR_GATES; i++)
		set_gate("reset", i);
	if (pipe(barrier))
		ksft_exit_fail_msg("pipe: %s\n", strerror(errno));
	for (i = 0; i < 8; i++) {
		snprintf(names[i], sizeof(names[i]), PREFIX "%c", 'a' + i);
		snprintf(args[i], sizeof(args[i]), next[i] == '-' ? "" : "ask=" PREFIX "%c-%c",
			 'a' + i, next[i]);
	}
	for (i = 0; i < 8; i++) {
		const struct call call = CALL("gate", names[i], E_NO_EXPORT, args[i]);
		const struct call asked = CALL("gate", names[(next[i] - 'a') & 7], E_NO_EXPORT,
					       args[(next[i] - 'a') & 7]);

		plan_help(&helps[i], args[i] + strlen(*args[i] ? "ask=" : ""), &asked,
			  "if"[(i + way) % 2], 0);
		g[i] = start(&call, way, 8, barrier);
	}
	all = (struct group){ g[0].req, nr_requests };
	check(all.n == 64, "requests cannot be made");
	close(barrier[0]);
	close(barrier[1]);
	for (i = 0, n = 0; i < 8; i++)
		n += is_in_cycle(next, i);
	check(wait_for(!count_waiting(&all)), "%d requests wait", count_waiting(&all));
	for (i = 0; i < 8; i++) {
		check(wait_for(is_done(&helps[i])), "helper %d: waits", i);
		check(!helps[i].failed, "helper %d: failed: %s", i, errno_name(helps[i].req.err));
		loaded += helps[i].succeeded;
		*(is_in_cycle(next, i) ? &in_cycle : &outside) += helps[i].refused;
	}
	refused = in_cycle + outside;
	loaded += count_err(&all, 0);
	check(loaded == 8, "loads: want 8, got %d", loaded);
	check(count_err(&all, 0) + count_err(&all, EEXIST) == all.n, "requests: %s", results(&all));
	check(!outside, "refused without a deadlock: %d", outside);
	check(!n == !in_cycle && in_cycle <= n, "refused: %d of %d modules in cycles", in_cycle, n);
	while (read_refusal(log))
		lines++;
	check(lines == refused, "log: want %d lines, got %d", refused, lines);
	close(log);
	clean_up(name);
}

/* Run the tests that have @select in their names, or only count them. */
static int run_all(bool run, const char *select)
{
	int nr_cases = 2 * ARRAY_SIZE(cases), i, nr = 0;
	const struct test_case *t;
	char name[128], way;

	for (i = 0; i < nr_cases + 4 * (int)ARRAY_SIZE(storms); i++) {
		t = NULL;
		if (i < nr_cases)
			t = &cases[i / 2];
		way = t ? "if"[i % 2] : "ifcm"[i % 4];
		snprintf(name, sizeof(name), "%s.%s", t ? t->name : storms[(i - nr_cases) / 4].name,
			 way == 'i' ? "init" : way == 'f' ? "file" : way == 'c' ? "copy" : "mixed");
		if (!strstr(name, select) || (t && t->by && way == 'i'))
			continue;
		nr++;
		if (!run)
			continue;
		failed = false;
		if (t && ((t->needs && access(t->needs, X_OK)) ||
			  (strchr(t->steps, 'p') && sysconf(_SC_NPROCESSORS_ONLN) < 2))) {
			ksft_test_result_skip("%s\n", name);
			continue;
		}
		if (t)
			run_case(t, way);
		else
			run_storm(name, storms[(i - nr_cases) / 4].next, way);
		ksft_test_result(!failed, "%s\n", name);
	}
	return nr;
}

static char modprobe[256];

static void restore_modprobe(void)
{
	write_file(MODPROBE, modprobe);
}

int main(int argc, char **argv)
{
	const struct call ctl = CALL("ctl");
	char self[32];

	/* The kernel calls it as modprobe -q -- NAME. */
	if (argc == 4 && !strcmp(argv[1], "-q"))
		return run_helper(argv[0], argv[3], 0);
	if (argc == 3 && !strcmp(argv[1], "--row"))
		return run_helper(argv[0], NULL, atoi(argv[2]));

	ksft_print_header();
	if (!get_image(&ctl) || load(get_image(&ctl), ""))
		ksft_exit_skip("test_modload_ctl: not loaded: %s\n", strerror(errno));
	if (dup2(memfd_create("helps", 0), SHARED_FD) != SHARED_FD ||
	    ftruncate(SHARED_FD, MAX_HELPS * sizeof(*helps)))
		ksft_exit_fail_msg("no memory to share\n");
	helps = mmap(NULL, MAX_HELPS * sizeof(*helps), PROT_READ | PROT_WRITE, MAP_SHARED,
		     SHARED_FD, 0);
	read_file(MODPROBE, modprobe, sizeof(modprobe));
	atexit(restore_modprobe);
	snprintf(self, sizeof(self), "/proc/%d/exe", getpid());
	if (helps == MAP_FAILED || !write_file(MODPROBE, self))
		ksft_exit_skip(MODPROBE ": %s\n", strerror(errno));

	ksft_set_plan(run_all(false, argv[1] ?: ""));
	run_all(true, argv[1] ?: "");
	unload(PREFIX "ctl");
	ksft_finished();
}
