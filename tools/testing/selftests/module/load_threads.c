// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test what concurrent requests by the threads of one process return.
 *
 * A case is a row of a table. A pool, which is a process of its own, makes a thread for each
 * request. Other processes request the same modules. The first request stops at a gate of
 * test_modload_ctl. Each of the others is seen asleep before the next one starts. Then an event
 * happens, the gates open, and all results are compared with the row. An argument selects tests
 * by name.
 */
#include <pthread.h>

#pragma GCC diagnostic ignored "-Wunused-function"
#include "modload.h"

#define LIMIT		60	/* seconds */
#define TARGET		3	/* the request that gets a signal */

enum event {
	EV_RESTART = 1,	/* SIGUSR1 to one thread, SA_RESTART */
	EV_EINTR,	/* SIGUSR2 to one thread, not SA_RESTART */
	EV_EXEC,	/* a thread that makes no request calls execve() */
	EV_EXIT,	/* the same, exit_group() */
	EV_OOPS,	/* the owner dies when the gate opens */
};

/* The requests in their order: thread a or b, process A or B. b and B make the other call. */
struct test_case {
	const char *name;
	const char *ways;	/* their initials */
	const char *requests;
	const char *results;	/* as results() prints them */
	int inits;		/* of all modules; -N means N or more */
	struct call call[2];
	enum event event;
	const char *late;	/* requests when the others have ended */
	const char *needs;	/* word on the kernel's command line, or skip */
};

#define ARGS(_args)	{ "gate", .args = _args }
#define GATE		ARGS("")
#define USER		{ "user", .args = "" }
#define DEAD		{ "gate", "test_modload_d7", E_NO_EXPORT, "oops=init" }

static const struct test_case cases[] = {
	{ "threads_live", "ifcm", "aaaaaaaaAA", "0: 0, 1-9: EEXIST", 1, { GATE } },
	{ "threads_live_process", "ifcm", "Aaaaaaaaa", "0: 0, 1-8: EEXIST", 1, { GATE } },
	{ "threads_init_error", "ifcm", "aaaaaaaaAA", "0-9: ENODEV", 1, { ARGS("ret=-19") } },
	{ "threads_init_error_other_args", "ifcm", "aaaaaabbBB", "0-5: ENODEV, 6: 0, 7-9: EEXIST",
	  2, { ARGS("ret=-19"), ARGS("tag=1") } },
	{ "threads_symbol", "ifcm", "abbbbbbbBB", "0-1: 0, 2-9: EEXIST", 2, { GATE, USER } },
	{ "thread_eintr", "ifcm", "aaaaaaaaAA", "0: 0, 1-2: EEXIST, 3: EINTR, 4-9: EEXIST", 1,
	  { GATE }, EV_EINTR },
	{ "thread_restart", "ifcm", "aaaaaaaaAA", "0: 0, 1-9: EEXIST", 1, { GATE }, EV_RESTART },
	/* All threads are killed. An owner that is a process goes on. */
	{ "exec_waiters_killed", "ifcm", "AaaaaaaaA", "0: 0, 1-7: killed, 8: EEXIST", 1,
	  { GATE }, EV_EXEC },
	{ "exec_owner_killed", "ifcm", "aAaaaaaaA", "0: killed, 1: 0, 2-7: killed, 8: EEXIST", 2,
	  { GATE }, EV_EXEC },
	{ "exec_heirs_killed", "ifcm", "aaaaaaaAA", "0-6: killed, 7: 0, 8: EEXIST", -2,
	  { GATE }, EV_EXEC },
	{ "exec_symbol_killed", "ifc", "AbbbbBB", "0: 0, 1-4: killed, 5: 0, 6: EEXIST", 2,
	  { GATE, USER }, EV_EXEC },
	{ "exit_waiters_killed", "ifcm", "AaaaaaaaA", "0: 0, 1-7: killed, 8: EEXIST", 1,
	  { GATE }, EV_EXIT },
	{ "exit_owner_killed", "ifcm", "aAaaaaaaA", "0: killed, 1: 0, 2-7: killed, 8: EEXIST", 2,
	  { GATE }, EV_EXIT },
	{ "exit_heirs_killed", "ifcm", "aaaaaaaAA", "0-6: killed, 7: 0, 8: EEXIST", -2,
	  { GATE }, EV_EXIT },
	/* The module stays until a reboot, other threads can go on. */
	{ "dead_thread", "m", "aaaaaaaaAA", "0: killed, 1-10: EBUSY, 11: 0", 2, { DEAD, GATE },
	  EV_OOPS, "ab", .needs = "parallel_load.oops" },
};

/* What a thread of the pool does: a request, EV_EXEC or EV_EXIT. */
struct order {
	const struct call *call;
	struct request *req;
	char way;
	enum event event;
};

static bool failed;

#define check(_ok, _fmt, ...) ({								\
	bool _check = (_ok);									\
												\
	if (!_check) {										\
		failed = true;									\
		ksft_print_msg(_fmt "\n", ## __VA_ARGS__);					\
	}											\
	_check;											\
})

static void *run_thread(void *data)
{
	const struct order *order = data;

	if (order->event == EV_EXEC)
		execl("/proc/self/exe", "load_threads", "--pause", NULL);
	if (order->event)
		_exit(0);
	order->req->pid = gettid();
	make_request(order->req, order->call, order->way, *get_image(order->call), NULL);
	return NULL;
}

/* Start a thread for each order that comes through the pipe, until that is closed. */
static void run_pool(const int *orders)
{
	struct order *order;
	pthread_t thread;

	close(orders[1]);
	while ((order = malloc(sizeof(*order))) &&
	       read(orders[0], order, sizeof(*order)) == sizeof(*order))
		if (pthread_create(&thread, NULL, run_thread, order))
			_exit(1);
	_exit(0);
}

/* Start the requests one by one. The images are open, and the pool has inherited them. */
static void start_requests(const struct test_case *t, char ways, const char *list, pid_t pool,
			   int orders)
{
	for (; *list; list++) {
		const struct call *call = &t->call[strchr("bB", *list) ? 1 : 0];
		char way = ways == 'm' ? "fic"[nr_requests % 3] : ways;
		struct order order = { call, NULL, way };
		struct group g = { requests + nr_requests, 1 };

		if (strchr("AB", *list)) {
			start(call, way, 1, NULL);
		} else {
			order.req = add_request(call, way);
			/* The thread stores its own ID. */
			order.req->pid = pool;
			check(write(orders, &order, sizeof(order)) > 0, "no thread");
		}
		if (g.req != requests + 1)
			all_asleep(&g);
		else
			check(wait_for(read_gate(GATE_INIT, true)), "owner: not at its gate");
	}
}

static void happen(const struct test_case *t, const struct group *all, int orders)
{
	const struct order order = { .event = t->event };
	struct request *target = &all->req[TARGET];
	int i, left;

	if (t->event == EV_RESTART || t->event == EV_EINTR) {
		syscall(__NR_tkill, target->pid, t->event == EV_RESTART ? SIGUSR1 : SIGUSR2);
		check(wait_for(target->noticed), "signal not noticed");
		check(t->event == EV_RESTART || wait_for(!target->pid), "signal: still waiting");
		for (i = 0; i < all->n; i++)
			check(i == TARGET || !all->req[i].noticed, "%d: got the signal", i);
	}
	if (t->event == EV_OOPS)
		set_gate("open", GATE_INIT);
	if (t->event != EV_EXEC && t->event != EV_EXIT)
		return;

	check(write(orders, &order, sizeof(order)) > 0, "no thread");
	do {
		nap();
		for (i = left = 0; i < all->n; i++)
			left += all->req[i].pid && strchr("ab", t->requests[i]);
	} while (left && !deadline_passed());
	check(!left, "%d threads left: %s", left, results(all));
	/* A request of another process runs init. */
	check(wait_for(read_gate(GATE_INIT, true) || !count_waiting(all)) &&
	      count_waiting(all), "others: %s", results(all));
}

static void run_case(const struct test_case *t, char way)
{
	struct group all = { requests + 1, strlen(t->requests) };
	static const struct call none = {};
	struct request *pool;
	int orders[2], i;
	pid_t pid;

	set_deadline(LIMIT);
	set_gate("reset", 0);
	set_gate("close", GATE_INIT);
	for (i = 0; i < 2 && t->call[i].module; i++)
		get_image(&t->call[i]);
	pool = add_request(&none, 'i');
	if (pipe(orders))
		ksft_exit_fail_msg("pipe: %s\n", strerror(errno));
	pid = fork_child();
	if (!pid)
		run_pool(orders);
	pool->pid = pid;
	close(orders[0]);

	/* Gates are closed */
	start_requests(t, way, t->requests, pid, orders[1]);
	check(all_asleep(&all) && count_waiting(&all) == all.n, "not asleep: %s", results(&all));
	happen(t, &all, orders[1]);
	check(t->event == EV_OOPS || all_asleep(&all), "ended early: %s", results(&all));

	/* Gates are open */
	set_deadline(LIMIT);
	set_gate("open", GATE_INIT);
	check(wait_for(!count_waiting(&all)), "still waiting");
	if (t->late) {
		set_deadline(LIMIT / 6);
		start_requests(t, way, t->late, pid, orders[1]);
		all.n += strlen(t->late);
		check(wait_for(!count_waiting(&all)), "late: still waiting");
	}
	check(!strcmp(results(&all), t->results), "want %s, got %s", t->results, results(&all));
	i = read_gate(GATE_INIT, false) + read_gate(GATE_USER, false);
	check(t->inits < 0 ? i >= -t->inits : i == t->inits, "inits: %d", i);
	close(orders[1]);
	set_deadline(LIMIT);
	check(t->event == EV_EXEC ? pool->pid : wait_for(!pool->pid), "process: %s",
	      pool->pid ? "does not end" : "ended");
	if (!end_requests())
		ksft_exit_fail_msg("%s: a process cannot be killed\n", t->name);
	unload(PREFIX "user");
	if (!wait_for(unload(PREFIX "gate") == ENOENT))
		ksft_exit_fail_msg("%s: a module cannot be unloaded\n", t->name);
}

/* Run the tests that have @select in their names, or only count them. */
static int run_all(bool run, const char *select)
{
	const struct test_case *t;
	char name[128], boot[4096];
	int nr = 0;

	read_file("/proc/cmdline", boot, sizeof(boot));
	for (t = cases; t < cases + ARRAY_SIZE(cases); t++) {
		for (const char *way = t->ways; *way; way++) {
			snprintf(name, sizeof(name), "%s.%s", t->name, *way == 'i' ? "init" :
				 *way == 'f' ? "file" : *way == 'c' ? "copy" : "mixed");
			if (!strstr(name, select))
				continue;
			nr++;
			if (!run)
				continue;
			if (t->needs && !strstr(boot, t->needs)) {
				ksft_test_result_skip("%s\n", name);
				continue;
			}
			failed = false;
			run_case(t, *way);
			ksft_test_result(!failed, "%s\n", name);
		}
	}
	return nr;
}

int main(int argc, char **argv)
{
	const struct call ctl = { "ctl" };

	/* EV_EXEC executes this in place of the pool. */
	if (argc == 2 && !strcmp(argv[1], "--pause"))
		return sleep(2 * LIMIT);
	ksft_print_header();
	if (!load_ctl())
		ksft_exit_skip("test_modload_ctl: not loaded: %s\n", strerror(errno));
	start(&ctl, 'i', 0, NULL);
	ksft_set_plan(run_all(false, argv[1] ?: ""));
	run_all(true, argv[1] ?: "");
	unload(PREFIX "ctl");
	ksft_finished();
}
