// SPDX-License-Identifier: GPL-2.0-only
/* Test what concurrent requests for one module return. README explains the table of cases. */
#include <sys/mount.h>

#include "modload.h"

#define MODPROBE	"/proc/sys/kernel/modprobe"
#define CGROUPS		"/sys/fs/cgroup/"
#define CGROUP		CGROUPS "parallel_load/"
#define LIMIT		60	/* seconds */
#define MANY(t)		((t)->setup ? 16 : 64)	/* requests wait for a removal for 5 s only */

/* Expected results other than 0, an errno, or KILLED */
#define ONE_SUCCEEDS	(-10)	/* one 0, the rest EEXIST */
#define LEAD_SUCCEEDS	(-11)	/* the same, and the oldest waiter gets 0 */
#define EEXIST_OR_EBUSY	(-12)	/* depends on the kernel's version */

/* Where the first request is held, if not at a gate */
#define ASLEEP		(-1)	/* in the system call */
#define NOWHERE		(-2)	/* all requests begin at once */

#define OTHER_FLAG	1	/* MODULE_INIT_IGNORE_MODVERSIONS */
#define COMPRESSED	4	/* MODULE_INIT_COMPRESSED_FILE */

/* Signals go to the first request if that waits for a symbol, otherwise to the others. */
enum event {
	EV_RESTART = 1,	/* SIGUSR1, SA_RESTART */
	EV_EINTR,	/* SIGUSR2, not SA_RESTART */
	EV_STOP,	/* SIGSTOP, SIGCONT */
	EV_TRACE,	/* attach and detach */
	EV_FREEZE,	/* the cgroup freezer, thaw */
	EV_TIMER,	/* SIGALRM every 3 s, SA_RESTART; many requests never all sleep */
	EV_KILL,	/* every other one of the other requests */
	EV_KILL_FIRST,
	EV_OPEN,	/* the gate of the first request opens, others stay closed */
	EV_LATE,	/* test_modload_late is loaded */
	EV_FAULT,	/* the next allocation of the first request fails */
	EV_DISABLE,	/* modules_disabled is set */
	EV_LOCK_DOWN,	/* modules without a signature are refused from now on */
};

struct test_case {
	const char *name;
	const char *ways;	/* their initials */
	int err[2];		/* results of the first and of the others */
	int inits;
	struct call first;
	struct call others;	/* like the first if it names no module */
	int hold;		/* gate, ASLEEP or NOWHERE */
	enum event event;
	bool after;		/* the others start after the event */
	const char *setup;	/* load test_modload_gate before, with these arguments */
	const char *owner;	/* or hold it in init, with these, and the first ASLEEP */
	int prompt;		/* must end while gates are closed: 1 others, 2 first, 3 all */
	struct call rest;	/* the others but the first, which then stays held */
	int limit;		/* seconds in which they must end */
	int late;		/* result of requests made after that */
	const char *log;	/* a text in the kernel log, */
	int lines;		/* in at least one line, at most this many */
	int wakeups;		/* limit for each other, on average, beyond those of other 0 */
	int n;			/* number of requests, 0: 2 and MANY */
	const char *needs;	/* file, or word on the kernel's command line, or skip */
};

#define ENODEV_ONCE	"ret=-19 fails=1"
#define CALL(_module, ...) { _module, __VA_ARGS__ }
#define GATE		CALL("gate")
#define USER		CALL("user")
#define BAD_USER	CALL("user", .edits = E_BAD_SYMBOL | E_BUILD_ID)
#define REMOVE		CALL("gate", .remove = true)
#define ARGS(_args)	CALL("gate", .args = _args)
#define EDIT(_edits, _args) CALL("gate", NULL, _edits, _args)
#define STRING(_macro)	#_macro
#define FAILS(_n, _errno) "fails=" #_n " hold=-" STRING(_errno)
#define OWN_ERROR(_name, ...)									\
	{ "own_" _name "_not_shared", "ifcm", __VA_ARGS__, .hold = GATE_PARAM }
#define SIGNAL_OWNER(_name, _event, _n, _err)							\
	{ "signal_file_owner_" _name, "f", { 0, _err }, 1, GATE, EDIT(E_BUILD_ID, ""),		\
	  .event = _event, .n = _n }
#define DEAD(_name, ...) CALL("gate", _name, E_NO_EXPORT | E_TMPFS, __VA_ARGS__)
#define SIGNAL_WAITER(_name, _event, _n, _err)							\
	{ "signal_waiter_" _name, "if", { 0, _err }, 1, .event = _event, .n = _n }
#define SIGNAL_SYMBOL(_name, _event, _first, _others)						\
	{ "signal_symbol_" _name, "if", { _first, _others }, 1, USER, .event = _event, .owner = "" }
#define SIGNAL_REMOVAL(_name, _event, _n, _err, _inits)						\
	{ "signal_removal_" _name, "if", { 0, _err }, _inits, REMOVE, GATE, GATE_EXIT, _event,	\
	  .setup = "", .n = _n }
#define DEAD_BEFORE(_name, _way, _n, _err, _inits, ...)						\
	{ "dead_before_" _name, _way, { KILLED, _err }, _inits, __VA_ARGS__, .n = _n,		\
	  .event = EV_OPEN, .after = true, .prompt = 3, .limit = 10,				\
	  .needs = "parallel_load.oops" }
#define DEAD_OWNER(_name, _err, _inits, ...)							\
	{ "dead_in_" _name, "m", { _err, EBUSY }, _inits, __VA_ARGS__, .n = 16, .event = EV_OPEN, \
	  .prompt = 3, .limit = 60, .late = EBUSY, .needs = "parallel_load.oops" }

static const struct test_case cases[] = {
	/* The module goes live */
	{ "live", "ifcm", { 0, EEXIST }, 1 },
	{ "live_other_args", "ifcm", { 0, EEXIST }, 1, GATE, ARGS("tag=1") },
	{ "live_other_build", "ifcm", { 0, EEXIST }, 1, GATE, EDIT(E_BUILD_ID, "") },
	{ "live_async_pending", "ifcm", { 0, EEXIST }, 1, ARGS("async=1"), .event = EV_OPEN,
	  .prompt = 1, .late = EEXIST },
	{ "live_async_latecomers", "ifcm", { 0, EEXIST }, 1, ARGS("async=1"), .hold = GATE_ASYNC,
	  .prompt = 1 },
	/* Init fails */
	{ "init_error_shared", "ifcm", { ENODEV, ENODEV }, 1, ARGS("ret=-19") },
	{ "init_eperm_shared", "ifcm", { EPERM, EPERM }, 1, ARGS("ret=-1") },
	{ "init_error_other_args", "ifcm", { ENODEV, LEAD_SUCCEEDS }, 2, ARGS("ret=-19"),
	  ARGS("tag=1") },
	{ "init_error_other_build", "ifcm", { ENODEV, LEAD_SUCCEEDS }, 2, ARGS(ENODEV_ONCE),
	  EDIT(E_BUILD_ID, ENODEV_ONCE) },
	{ "init_error_other_flags", "fc", { ENODEV, LEAD_SUCCEEDS }, 2, ARGS(ENODEV_ONCE),
	  CALL("gate", .args = ENODEV_ONCE, .flags = OTHER_FLAG) },
	{ "init_error_compressed", "fc", { ENODEV, ENODEV }, 1, ARGS("ret=-19"),
	  CALL("gate", NULL, E_COMPRESSED, "ret=-19", COMPRESSED),
	  .needs = "/sys/module/compression" },
	{ "init_error_no_build_id", "ic", { ENODEV, LEAD_SUCCEEDS }, 2,
	  EDIT(E_NO_BUILD_ID, ENODEV_ONCE) },
	{ "init_error_same_file", "f", { ENODEV, ENODEV }, 1, EDIT(E_NO_BUILD_ID, "ret=-19") },
	{ "init_error_latecomers", "ifcm", { ENODEV, LEAD_SUCCEEDS }, 2, ARGS(ENODEV_ONCE),
	  .hold = GATE_GOING },
	{ "init_error_wakeups", "ic", { ENODEV, ENODEV }, 64,
	  CALL("gate", .args = "ret=-19", .distinct = true), .wakeups = 1, .n = 64 },
	{ "init_eexist_gives_ebusy", "ifcm", { EEXIST_OR_EBUSY, EBUSY }, 1, ARGS("ret=-17") },
	{ "init_killed_not_shared", "ifcm", { KILLED, LEAD_SUCCEEDS }, 2, .event = EV_KILL_FIRST },
	/* The file cannot be read */
	{ "read_error_shared", "f", { EIO, EIO }, 0, EDIT(E_READ, ""), .hold = GATE_READ },
	{ "read_error_other_args", "f", { EIO, ENXIO }, 0, EDIT(E_READ, ""),
	  EDIT(E_READ, "tag=1"), GATE_READ },
	{ "read_killed_not_shared", "f", { KILLED, ENXIO }, 0, EDIT(E_READ, ""), .hold = GATE_READ,
	  .event = EV_KILL_FIRST },
	/* The load fails before init */
	{ "parameter_error_other_build", "ifcm", { EINVAL, LEAD_SUCCEEDS }, 1,
	  ARGS(FAILS(1, EINVAL)), EDIT(E_BUILD_ID, FAILS(1, EINVAL)), GATE_PARAM },
	OWN_ERROR("enomem", { ENOMEM, LEAD_SUCCEEDS }, 1, ARGS(FAILS(1, ENOMEM))),
	OWN_ERROR("efault", { EFAULT, LEAD_SUCCEEDS }, 1, ARGS(FAILS(1, EFAULT))),
	OWN_ERROR("eacces", { EACCES, LEAD_SUCCEEDS }, 1, ARGS(FAILS(1, EACCES))),
	OWN_ERROR("eperm", { EPERM, LEAD_SUCCEEDS }, 1, ARGS(FAILS(1, EPERM))),
	OWN_ERROR("edeadlk", { EDEADLK, LEAD_SUCCEEDS }, 1, ARGS(FAILS(1, EDEADLK))),
	{ "own_enomem_twice_shared", "ifcm", { ENOMEM, ENOMEM }, 0, ARGS(FAILS(2, ENOMEM)),
	  .hold = GATE_PARAM },
	{ "parameter_error_shared", "ifcm", { EINVAL, EINVAL }, 0, ARGS("hold=1 ret=x"),
	  .hold = GATE_PARAM, .log = "invalid for parameter", .lines = 1 },
	{ "parameter_error_other_args", "ifcm", { EINVAL, LEAD_SUCCEEDS }, 1, ARGS("hold=1 ret=x"),
	  ARGS("tag=1"), GATE_PARAM },
	{ "parameter_error_latecomers", "ifcm", { EINVAL, EINVAL }, 0, ARGS("ret=x"),
	  .hold = GATE_GOING, .log = "invalid for parameter", .lines = 2 },
	{ "sysfs_error_shared", "ifcm", { EINVAL, EINVAL }, 0, CALL("gate", "printk", 0, "hold=1"),
	  .hold = GATE_PARAM, .log = "is already loaded", .lines = 1 },
	{ "symbol_error_shared", "ifcm", { ENOENT, ENOENT }, 0, BAD_USER, .owner = "",
	  .log = "Unknown symbol", .lines = 1 },
	{ "symbol_error_other_build", "ifcm", { ENOENT, LEAD_SUCCEEDS }, 1, BAD_USER, USER,
	  .owner = "" },
	{ "symbol_error_in_other", "ifcm", { 0, EEXIST }, 1, USER, BAD_USER, .owner = "" },
	{ "symbol_error_cause_gone", "ifcm", { ENOENT, LEAD_SUCCEEDS }, 1,
	  CALL("user", .edits = E_LATE_SYMBOL), .owner = "", .event = EV_LATE, .after = true },
	{ "symbol_enomem_not_shared", "ifcm", { ENOMEM, LEAD_SUCCEEDS }, 1, USER, .owner = "",
	  .event = EV_FAULT, .needs = "/proc/self/fail-nth" },
	{ "symbol_timeout_shared", "if", { EBUSY, EBUSY }, 0, USER, .owner = "", .n = 64,
	  .event = EV_TIMER, .prompt = 3, .limit = 90, .log = "gave up waiting", .lines = 2 },
	{ "symbol_timeout_not_hidden", "i", { EBUSY, EBUSY }, 0, BAD_USER, .owner = "",
	  .prompt = 3, .limit = 90, .n = 2 },
	{ "symbol_timeout_other_args", "m", { EBUSY, LEAD_SUCCEEDS }, 1, USER,
	  CALL("user", .args = "tag=1"), .owner = "", .prompt = 2, .limit = 90, .n = 64 },
	{ "bad_vermagic", "ifcm", { ENOEXEC, ENOEXEC }, 0, EDIT(E_VERMAGIC, ""), .hold = NOWHERE },
	{ "bad_symbol", "ifcm", { ENOENT, ENOENT }, 0, USER, .hold = NOWHERE },
	{ "bad_parameter", "ifcm", { EINVAL, EINVAL }, 0, ARGS("ret=x"), .hold = NOWHERE },
	{ "bad_name", "ifcm", { EINVAL, EINVAL }, 0, CALL("gate", "printk"), .hold = NOWHERE },
	{ "bad_signature", "ifcm", { EBADMSG, EBADMSG }, 0, EDIT(E_SIGNATURE, ""), .hold = NOWHERE,
	  .needs = "/sys/module/module/parameters/sig_enforce" },
	{ "memory_does_not_come", "ifcm", { EFAULT, ONE_SUCCEEDS }, 1, EDIT(E_STUCK, ""), GATE,
	  GATE_COPY, .prompt = 1 },
	/* The name is known before the image is copied */
	{ "copy_held", "ifcm", { EEXIST, ONE_SUCCEEDS }, 1, EDIT(E_LARGE | E_SLOW, ""),
	  EDIT(E_LARGE, ""), GATE_COPY, .prompt = 1, .limit = 10 },
	{ "copy_fails", "ifcm", { EFAULT, ONE_SUCCEEDS }, 1, EDIT(E_LARGE | E_STUCK, ""),
	  EDIT(E_LARGE, ""), GATE_COPY, .prompt = 1, .limit = 10 },
	{ "copy_killed", "ifcm", { KILLED, ONE_SUCCEEDS }, 1, EDIT(E_LARGE | E_STUCK, ""),
	  EDIT(E_LARGE, ""), GATE_COPY, EV_KILL_FIRST, .prompt = 1, .limit = 10 },
	{ "copy_not_made", "ifc", { 0, EEXIST }, 1, EDIT(E_LARGE, ""), EDIT(E_LARGE | E_SLOW, ""),
	  .event = EV_OPEN, .prompt = 1, .limit = 10 },
	{ "copy_skipped_when_live", "ifc", { 0, EEXIST }, 1, EDIT(E_LARGE, ""),
	  EDIT(E_LARGE | E_SLOW, ""), .event = EV_OPEN, .after = true, .prompt = 3, .limit = 10 },
	{ "copy_skipped_error_shared", "ic", { ENODEV, ENODEV }, 1, EDIT(E_LARGE, "ret=-19"),
	  EDIT(E_LARGE | E_SLOW, "ret=-19"), .event = EV_OPEN, .prompt = 1, .limit = 10 },
	{ "copy_made_by_heir", "ic", { ENODEV, LEAD_SUCCEEDS }, 2, EDIT(E_LARGE, ENODEV_ONCE),
	  EDIT(E_LARGE | E_BUILD_ID, ENODEV_ONCE) },
	{ "copy_held_by_heir", "c", { EFAULT, ONE_SUCCEEDS }, 1,
	  EDIT(E_LARGE, FAILS(1, EFAULT)), EDIT(E_LARGE | E_SLOW, ""), GATE_PARAM, EV_OPEN,
	  .rest = EDIT(E_LARGE, ""), .prompt = 3, .limit = 10, .n = 16 },
	{ "copy_bad_vermagic", "ifcm", { ENOEXEC, ENOEXEC }, 0, EDIT(E_LARGE | E_VERMAGIC, ""),
	  .hold = NOWHERE },
	{ "copy_removal_waited", "ifc", { 0, LEAD_SUCCEEDS }, 2, REMOVE, EDIT(E_LARGE, ""),
	  GATE_EXIT, .setup = "" },
	{ "copy_after_checked_image", "m", { 0, ONE_SUCCEEDS }, 2, REMOVE, EDIT(E_LARGE, ""),
	  GATE_EXIT, .setup = "" },
	{ "copy_signal_eintr", "im", { 0, EINTR }, 1, EDIT(E_LARGE, ""), .event = EV_EINTR },
	{ "copy_signal_killed", "im", { 0, EEXIST }, 1, EDIT(E_LARGE, ""), .event = EV_KILL },
	/* The module is removed */
	{ "removal_waited", "ifcm", { 0, LEAD_SUCCEEDS }, 2, REMOVE, GATE, GATE_EXIT, .setup = "" },
	{ "removal_exited_waited", "ifcm", { 0, LEAD_SUCCEEDS }, 2, REMOVE, GATE, GATE_GOING,
	  .setup = "" },
	{ "removal_waits_for_timer", "ifcm", { 0, LEAD_SUCCEEDS }, 2, REMOVE, GATE, GATE_EXIT,
	  .setup = "exit_ms=1000" },
	{ "removal_long_gives_ebusy", "ifcm", { 0, EBUSY }, 1, REMOVE, GATE, GATE_EXIT, .setup = "",
	  .prompt = 1, .limit = 10 },
	{ "removal_waits_for_requester", "ifc", { 0, EBUSY }, 1, REMOVE,
	  CALL("gate", .opens = true), GATE_EXIT, .setup = "", .prompt = 3, .limit = 15, .n = 2 },
	{ "removal_waits_for_work", "i", { 0 }, 1, REMOVE, .hold = NOWHERE,
	  .setup = "exit_ask=test_modload_gate", .prompt = 2, .limit = 10, .n = 1 },
	{ "removal_waits_for_user", "i", { 0 }, 1, REMOVE, .hold = NOWHERE,
	  .setup = "exit_ask=test_modload_user", .prompt = 2, .limit = 10, .n = 1 },
	{ "removal_of_load_ebusy", "ifcm", { 0, EBUSY }, 1, GATE, REMOVE, .prompt = 1 },
	/* Signals arrive */
	SIGNAL_WAITER("restart", EV_RESTART, 0, EEXIST),
	SIGNAL_WAITER("eintr", EV_EINTR, 0, EINTR),
	SIGNAL_WAITER("killed", EV_KILL, 0, EEXIST),
	SIGNAL_WAITER("stopped", EV_STOP, 0, EEXIST),
	SIGNAL_WAITER("traced", EV_TRACE, 0, EEXIST),
	SIGNAL_WAITER("timer", EV_TIMER, 2, EEXIST),
	{ "signal_waiter_frozen", "if", { 0, EEXIST }, 1, .event = EV_FREEZE,
	  .needs = CGROUPS "cgroup.procs" },
	SIGNAL_OWNER("restart", EV_RESTART, 0, EEXIST),
	SIGNAL_OWNER("eintr", EV_EINTR, 0, EINTR),
	SIGNAL_OWNER("killed", EV_KILL, 0, EEXIST),
	SIGNAL_OWNER("stopped", EV_STOP, 0, EEXIST),
	SIGNAL_OWNER("traced", EV_TRACE, 0, EEXIST),
	SIGNAL_OWNER("timer", EV_TIMER, 2, EEXIST),
	SIGNAL_SYMBOL("restart", EV_RESTART, 0, EEXIST),
	SIGNAL_SYMBOL("eintr", EV_EINTR, 0, EEXIST),
	SIGNAL_SYMBOL("killed", EV_KILL_FIRST, KILLED, LEAD_SUCCEEDS),
	SIGNAL_SYMBOL("stopped", EV_STOP, 0, EEXIST),
	SIGNAL_SYMBOL("traced", EV_TRACE, 0, EEXIST),
	SIGNAL_SYMBOL("timer", EV_TIMER, 0, EEXIST),
	{ "signal_symbol_frozen", "if", { 0, EEXIST }, 1, USER, .event = EV_FREEZE, .owner = "",
	  .needs = CGROUPS "cgroup.procs" },
	SIGNAL_REMOVAL("restart", EV_RESTART, 0, ONE_SUCCEEDS, 2),
	SIGNAL_REMOVAL("eintr", EV_EINTR, 0, EINTR, 1),
	SIGNAL_REMOVAL("killed", EV_KILL, 16, ONE_SUCCEEDS, 2),
	SIGNAL_REMOVAL("stopped", EV_STOP, 0, ONE_SUCCEEDS, 2),
	SIGNAL_REMOVAL("traced", EV_TRACE, 0, ONE_SUCCEEDS, 2),
	SIGNAL_REMOVAL("timer", EV_TIMER, 2, ONE_SUCCEEDS, 2),
	{ "signal_removal_frozen", "if", { 0, ONE_SUCCEEDS }, 2, REMOVE, GATE, GATE_EXIT,
	  EV_FREEZE, .setup = "", .needs = CGROUPS "cgroup.procs" },
	/* Modules stay as they are until a reboot */
	{ "modules_disabled", "m", { ENODEV, EPERM }, 1, ARGS("ret=-19"), ARGS("tag=1"),
	  .event = EV_DISABLE, .needs = "parallel_load.disable_modules", .n = 64 },
	/* No module loads until a reboot */
	{ "locked_down_error_shared", "f", { EPERM, EPERM }, 0, EDIT(E_READ_ZEROS, ""),
	  .hold = GATE_READ, .event = EV_LOCK_DOWN, .log = "Lockdown: ", .lines = 1, .n = 64,
	  .needs = "parallel_load.lock_down" },
	/* The owner dies, and its module stays until a reboot */
	DEAD_OWNER("param", KILLED, 0, DEAD("test_modload_d1", "oops=param hold=1"),
		   .hold = GATE_PARAM),
	DEAD_OWNER("init", KILLED, 1, DEAD("test_modload_d2", "oops=init")),
	DEAD_OWNER("exit", KILLED, 1, DEAD("test_modload_d3", .remove = true),
		   DEAD("test_modload_d3"), GATE_EXIT, .setup = "oops=exit"),
	{ "dead_in_read", "f", { KILLED, ENXIO }, 0, EDIT(E_READ_OOPS, ""), .hold = GATE_READ,
	  .event = EV_OPEN, .prompt = 3, .limit = 60, .n = 16, .needs = "parallel_load.oops" },
	/* Requests that begin after that get their result at once */
	DEAD_BEFORE("read", "f", 16, ENXIO, 0, EDIT(E_READ_OOPS, ""), .hold = GATE_READ),
	DEAD_BEFORE("init", "m", 16, EBUSY, 1, DEAD("test_modload_d4", "oops=init")),
	DEAD_BEFORE("symbol", "m", 2, EBUSY, 1, ARGS("oops=init"), USER, .late = EBUSY),
};

static bool failed;
#define check(_ok, _fmt, ...) do {								\
	if (!(_ok)) {										\
		failed = true;									\
		ksft_print_msg(_fmt "\n", ## __VA_ARGS__);					\
	}											\
} while (0)

/* Unload all but test_modload_ctl. Return true if none is left, or none can be unloaded. */
static bool unload_all(void)
{
	unload(PREFIX "user");
	unload(PREFIX "late");
	return unload(PREFIX "gate") == ENOENT || unload(PREFIX "gate") == EPERM;
}

static int count_lines(int log, const char *text)
{
	char record[8192];
	ssize_t len;
	int n = 0;

	while ((len = read(log, record, sizeof(record) - 1)) > 0 || (len < 0 && errno == EPIPE)) {
		record[len < 0 ? 0 : len] = '\0';
		n += !!strstr(record, text);
	}
	return n;
}

/* Return true if all of @g noticed a signal, or if they wait for a symbol and sleep on. */
static bool is_signalled(const struct test_case *t, const struct group *g)
{
	char buf[64] = "";
	int i, n = 0;

	if (t->event == EV_FREEZE)
		read_file(CGROUP "cgroup.events", buf, sizeof(buf));
	if (strstr(buf, "frozen 1"))
		return true;
	for (i = 0; i < g->n; i++)
		n += !g->req[i].pid || (g->req[i].noticed && t->event != EV_EINTR);
	return n == g->n || (t->owner && all_asleep(g));
}

static void happen(const struct test_case *t, const struct group *first,
		   const struct group *others)
{
	const struct group *target = t->owner ? first : others;
	const struct call late = CALL("late");
	char path[64];
	int i;

	if (t->event == EV_OPEN)
		set_gate("open", t->owner ? GATE_INIT : t->hold);
	if (t->event == EV_LATE)
		check(!load(get_image(&late), ""), "test_modload_late: not loaded");
	if (t->event == EV_DISABLE)
		write_file("/proc/sys/kernel/modules_disabled", "1");
	if (t->event == EV_LOCK_DOWN)
		write_file("/sys/kernel/security/lockdown", "integrity");
	if (t->event == EV_FAULT) {
		snprintf(path, sizeof(path), "/proc/%d/fail-nth", first->req[0].pid);
		write_file(path, "1");
	}
	check(wait_for(t->event != EV_OPEN || !t->after || !count_waiting(first)),
	      "first: still waiting");
	if (t->event == EV_KILL_FIRST)
		send_signal(first, SIGKILL);
	for (i = 0; i < others->n && t->event == EV_KILL; i += 2)
		send_signal(&(struct group){ &others->req[i], 1 }, SIGKILL);
	check(wait_for(t->event != EV_KILL_FIRST || !count_waiting(first)), "first: not killed");
	check(wait_for(t->event != EV_KILL || count_waiting(others) == others->n / 2),
	      "others: not killed: %s", results(others));
	if (!t->event || t->event > EV_TIMER)
		return;

	for (i = 0; i < target->n && t->event == EV_TRACE; i++) {
		ptrace(PTRACE_SEIZE, target->req[i].pid, 0, 0);
		ptrace(PTRACE_INTERRUPT, target->req[i].pid, 0, 0);
	}
	for (i = 0; i < target->n && t->event == EV_FREEZE; i++) {
		mkdir(CGROUP, 0755);
		snprintf(path, sizeof(path), "%d", target->req[i].pid);
		write_file(CGROUP "cgroup.procs", path);
	}
	if (t->event == EV_FREEZE)
		write_file(CGROUP "cgroup.freeze", "1");
	for (i = time(NULL); t->event == EV_TIMER && time(NULL) - i < 5;)
		nap();
	if (t->event <= EV_STOP)
		send_signal(target, t->event == EV_RESTART ? SIGUSR1 :
			    t->event == EV_EINTR ? SIGUSR2 : SIGSTOP);
	check(wait_for(is_signalled(t, target)), "signal not noticed");
	check(!t->owner || (!target->req[0].noticed && target->req[0].pid), "first: interrupted");
	if (t->event == EV_STOP)
		send_signal(target, SIGCONT);
	if (t->event == EV_FREEZE)
		write_file(CGROUP "cgroup.freeze", "0");
}

/* Check that all results of @g are @want. Killed requests count as right. */
static void expect(const char *who, const struct group *g, int want)
{
	int killed = count_err(g, KILLED), eexist = count_err(g, EEXIST);
	bool ok = count_err(g, want) + (want == KILLED ? 0 : killed) == g->n;
	const char *text = errno_name(want);

	if (want == ONE_SUCCEEDS || want == LEAD_SUCCEEDS) {
		ok = count_err(g, 0) == 1 && 1 + eexist + killed == g->n &&
		     (want == ONE_SUCCEEDS || !g->req[0].err);
		text = want == ONE_SUCCEEDS ? "one 0, others EEXIST" : "0, others EEXIST";
	}
	if (want == EEXIST_OR_EBUSY)
		ok = eexist + count_err(g, EBUSY) == g->n;
	check(ok || !g->n, "%s: want %s, got %s", who, text, results(g));
}

/* Start the other requests. The first of them sleeps before the rest comes. */
static struct group start_others(const struct test_case *t, const struct call *call, char way,
				 int n, bool sleep)
{
	struct group g = start(call, way, n > 0, NULL);

	check(!sleep || all_asleep(&g), "other 0: not asleep: %s", results(&g));
	g.n += start(t->rest.module ? &t->rest : call, way, n - 1, NULL).n;
	check(!sleep || all_asleep(&g), "others: not asleep: %s", results(&g));
	return g;
}

static void run_case(const struct test_case *t, char way, int n)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK), barrier[2], i, wakeups = 0, dead = 0;
	const struct call *first_call = &t->first, *others_call = &t->others;
	struct call gate = { "gate", first_call->rename, first_call->edits, t->owner };
	bool sleep = !(t->prompt & 1) || (t->event == EV_OPEN && !t->after);
	struct group first, others = {}, late;
	char modprobe[256], self[256] = "";

	if (!first_call->module)
		first_call = &gate;
	if (!others_call->module)
		others_call = first_call;
	if (t->owner)
		gate = (struct call)ARGS(t->owner);
	lseek(log, 0, SEEK_END);
	set_deadline(LIMIT);
	set_gate("reset", 0);
	if (first_call->edits & E_TMPFS) {
		mkdir(TMPFS, 0700);
		mount("parallel_load", TMPFS, "tmpfs", 0, NULL);
	}
	if (t->setup) {
		check(!load(get_image(&gate), t->setup), "setup: not loaded");
		read_file(MODPROBE, modprobe, sizeof(modprobe));
		readlink("/proc/self/exe", self, sizeof(self) - 1);
		write_file(MODPROBE, self);
	}

	/* Put all requests in place */
	set_gate("close", GATE_PARAM);
	set_gate("close", GATE_ASYNC);
	set_gate("close", GATE_COPY);
	set_gate("close", GATE_READ);
	if (t->owner || t->hold >= 0)
		set_gate("close", t->owner ? GATE_INIT : t->hold);
	if (t->owner) {
		start(&gate, 'i', 1, NULL);
		check(wait_for(read_gate(GATE_INIT, true)), "owner: not at its gate");
	}
	if (t->hold == NOWHERE && !pipe(barrier)) {
		first = start(first_call, way, 1, barrier);
		others = start(others_call, way, n - 1, barrier);
		close(barrier[0]);
		close(barrier[1]);
	} else {
		ticks = t->event == EV_TIMER && t->owner;
		first = start(first_call, way, 1, NULL);
		ticks = t->event == EV_TIMER && !t->owner;
		check(t->owner || t->hold == ASLEEP ? all_asleep(&first) :
		      wait_for(read_gate(t->hold, true) || !count_waiting(&first)),
		      "first: not held: %s", results(&first));
		if (!t->after)
			others = start_others(t, others_call, way, n - 1, sleep);
		if (!failed)
			happen(t, &first, &others);
		if (t->after)
			others = start_others(t, others_call, way, n - 1, sleep);
	}
	check(first.n + others.n == n, "requests cannot be made");

	/* Gates are closed */
	set_deadline(failed ? 1 : t->limit ?: LIMIT / 4);
	if (t->prompt & 2)
		check(wait_for(!count_waiting(&first)), "first: still waiting");
	else if (t->hold != NOWHERE && t->event != EV_KILL_FIRST)
		check(count_waiting(&first), "first: ended early: %s", results(&first));
	if (t->prompt & 1)
		check(wait_for(count_waiting(&others) == !!t->rest.module), "others: not ended: %s",
		      results(&others));
	else if (t->hold != NOWHERE)
		check(all_asleep(&others), "others: ended early: %s", results(&others));
	if (t->late) {
		set_deadline(LIMIT / 6);
		late = start(others_call, way, n, NULL);
		wait_for(!count_waiting(&late));
		expect("late", &late, t->late);
	}

	/* Gates are open */
	set_deadline(LIMIT);
	for (i = 0; i < NR_GATES; i++)
		set_gate("open", i);
	wait_for(!count_waiting(&first) && !count_waiting(&others));
	expect("first", &first, t->err[0]);
	expect("others", &others, t->err[1]);
	i = read_gate(strcmp(first_call->module, "user") ? GATE_INIT : GATE_USER, false);
	check(i == t->inits, "inits: want %d, got %d", t->inits, i);
	i = t->log ? count_lines(log, t->log) : 0;
	check(i <= t->lines && !i == !t->log, "log: want %d, got %d", t->lines, i);
	for (i = 0; i < others.n; i++) {
		wakeups += others.req[i].wakeups - others.req[0].wakeups;
		dead += others.req[i].err == EEXIST && !others.req[i].live;
	}
	check(!dead, "others: %d x EEXIST of a module that is not live", dead);
	check(!t->wakeups || wakeups <= t->wakeups * n, "wake-ups: %d of %d requests", wakeups, n);
	close(log);
	rmdir(CGROUP);
	set_deadline(LIMIT);
	if (*self)
		write_file(MODPROBE, modprobe);
	if (!end_requests())
		ksft_exit_fail_msg("%s: a process cannot be killed\n", t->name);
	if (first_call->edits & E_TMPFS) {
		close(get_image(first_call)->fd);
		check(!umount(TMPFS) && !rmdir(TMPFS), "umount: %s", strerror(errno));
	}
	if (!wait_for(unload_all() || t->late == EBUSY))
		ksft_exit_fail_msg("%s: a module cannot be unloaded\n", t->name);
}

/* Run the tests that have @select in their names, or only count them. */
static int run_all(bool run, const char *select)
{
	const struct test_case *t;
	char name[128], boot[4096];
	int nr = 0, i, n, way;

	read_file("/proc/cmdline", boot, sizeof(boot));
	for (i = 0; i < 8 * (int)ARRAY_SIZE(cases); i++) {
		t = &cases[i / 8];
		way = "ifcm"[i % 8 / 2];
		n = t->n ?: (i % 2 ? MANY(t) : 2);
		snprintf(name, sizeof(name), "%s.%s.%d", t->name, way == 'i' ? "init" :
			 way == 'f' ? "file" : way == 'c' ? "copy" : "mixed", n);
		if (!strchr(t->ways, way) || (t->n && i % 2) || !strstr(name, select))
			continue;
		nr++;
		if (!run)
			continue;
		failed = false;
		if ((t->needs && access(t->needs, F_OK) && !strstr(boot, t->needs)) ||
		    (t->others.edits & E_COMPRESSED && !get_image(&t->others))) {
			ksft_test_result_skip("%s\n", name);
		} else {
			run_case(t, way, n);
			ksft_test_result(!failed, "%s\n", name);
		}
	}
	return nr;
}

int main(int argc, char **argv)
{
	struct call call = CALL("ctl");

	/* request_module() runs this program as modprobe -q -- NAME, for any module. */
	if (argc == 4 && !strcmp(argv[1], "-q")) {
		call.module = strstr(argv[3], PREFIX) == argv[3] ? argv[3] + strlen(PREFIX) : "";
		alarm(15);
		return !get_image(&call) || load(get_image(&call), "");
	}
	ksft_print_header();
	if (!load_ctl())
		ksft_exit_skip("test_modload_ctl: not loaded: %s\n", strerror(errno));
	ksft_set_plan(run_all(false, argv[1] ?: ""));
	run_all(true, argv[1] ?: "");
	unload(PREFIX "ctl");
	ksft_finished();
}
