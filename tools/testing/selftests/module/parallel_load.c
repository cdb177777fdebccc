// SPDX-License-Identifier: GPL-2.0-only
/*
 * What do the others get, when many ask at once for one module?
 *
 * The modules in test_modules/ stand in a gate of pl_ctl in the middle of their
 * load. That lets a test put every request where it wants it before anything
 * happens: a request counts as waiting when /proc/PID/syscall shows it in the
 * system call and /proc/PID/stat shows it asleep there. Nothing depends on how
 * long something takes; a deadline only turns a hang into a failure.
 *
 * The modules are expected in test_modules/ beside this program, or in the
 * directory that the environment variable PARALLEL_LOAD_MODULES names.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/elf.h>
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
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "hammer.h"
#include "pl_request.h"

#define STORM_REQUESTS	128

/* How often to try what a gate cannot bring about for sure. */
#define ROUNDS		4

/* The most that is one wake-up each. */
#define WAKE_UPS	1.1

/* For tests of many steps, each with its own deadline: on a debug kernel they add up. */
#define STEPS_LIMIT	(4 * HARNESS_LIMIT)

#define STORM_MEMORY	(2560 * MIB)
#define WAKE_MEMORY	(1024 * MIB)

/* What the kernel logs when the module area is full, and logged before 6.10. */
#define NO_ROOM		"unable to allocate memory"
#define NO_ROOM_BEFORE	"vmap allocation for size"

/* The errno that an init function is told to answer with. */
#define REFUSAL		ENODEV
#define REFUSAL_PARAM	"ret=-19"

/* A word on the kernel's command line: this machine may be spoiled. */
#define MAY_DISABLE	"parallel_load.disable_modules"

/* Flags of finit_module() */
#ifndef MODULE_INIT_COMPRESSED_FILE
#define MODULE_INIT_COMPRESSED_FILE	4
#endif

/*
 * The tests
 *
 * "first" is the request that loads, "rest" are those that come while it does.
 */

FIXTURE(merge) {
	struct pl pl;
};

FIXTURE_VARIANT(merge) {
	int n;
	enum way way;
};

FIXTURE_VARIANT_ADD(merge, init_module_2) { .n = 2, .way = INIT_MODULE };
FIXTURE_VARIANT_ADD(merge, init_module_64) { .n = 64, .way = INIT_MODULE };
FIXTURE_VARIANT_ADD(merge, one_file_2) { .n = 2, .way = ONE_FILE };
FIXTURE_VARIANT_ADD(merge, one_file_64) { .n = 64, .way = ONE_FILE };
FIXTURE_VARIANT_ADD(merge, copies_2) { .n = 2, .way = COPIES };
FIXTURE_VARIANT_ADD(merge, copies_64) { .n = 64, .way = COPIES };
FIXTURE_VARIANT_ADD(merge, mixed_2) { .n = 2, .way = MIXED };
FIXTURE_VARIANT_ADD(merge, mixed_64) { .n = 64, .way = MIXED };

FIXTURE_SETUP(merge)
{
	setup(_metadata, &self->pl);
}

FIXTURE_TEARDOWN(merge)
{
	teardown(_metadata, &self->pl);
}

TEST_F_TIMEOUT(merge, one_succeeds_the_rest_get_eexist_once_live, HARNESS_LIMIT)
{
	const char *params = "gate=0";
	struct pl *pl = &self->pl;
	struct group first, rest;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	hold(_metadata, pl, variant->n, variant->way, params, params, &first,
	     &rest);
	let_go(_metadata, pl, &first, &rest);

	tell("it goes live", variant->way, &rest);
	expect_all(_metadata, &first, 0);
	expect_success(_metadata, &first, &rest);
	EXPECT_EQ(1, read_gate(0).entered);
	expect_nothing_in_vain(_metadata, pl);
}

TEST_F_TIMEOUT(merge, waiters_get_the_error_of_init, HARNESS_LIMIT)
{
	const char *params = "gate=0 " REFUSAL_PARAM;
	struct pl *pl = &self->pl;
	struct group first, rest;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	hold(_metadata, pl, variant->n, variant->way, params, params, &first,
	     &rest);
	let_go(_metadata, pl, &first, &rest);

	tell("init refuses", variant->way, &rest);
	expect_all(_metadata, &first, REFUSAL);
	expect_all(_metadata, &rest, REFUSAL);
	EXPECT_EQ(1, read_gate(0).entered);
	expect_nothing_in_vain(_metadata, pl);
}

TEST_F_TIMEOUT(merge, other_parameters_get_eexist, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct group first, rest;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	hold(_metadata, pl, variant->n, variant->way, "gate=0", "gate=0 tag=1",
	     &first, &rest);
	let_go(_metadata, pl, &first, &rest);

	tell("other parameters behind success", variant->way, &rest);
	expect_all(_metadata, &first, 0);
	expect_all(_metadata, &rest, EEXIST);
	EXPECT_EQ(1, read_gate(0).entered);
	expect_nothing_in_vain(_metadata, pl);
}

TEST_F_TIMEOUT(merge, killed_waiter_leaves_and_nobody_notices, HARNESS_LIMIT)
{
	const char *params = "gate=0";
	struct pl *pl = &self->pl;
	struct group first, rest;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	hold(_metadata, pl, variant->n, variant->way, params, params, &first,
	     &rest);

	/* From the middle, when there is one. The gate is still closed. */
	ASSERT_TRUE(kill_and_reap(pl, &rest.req[rest.n / 2]))
		TH_LOG("a killed request stays in the system call");
	EXPECT_EQ(1, read_gate(0).inside);
	EXPECT_EQ(0, count_answered(&first));
	EXPECT_TRUE(all_fall_asleep(pl, &rest))
		TH_LOG("the others: %s", answers(&rest));
	let_go(_metadata, pl, &first, &rest);

	expect_all(_metadata, &first, 0);
	expect_success(_metadata, &first, &rest);
	EXPECT_EQ(1, read_gate(0).entered);
	expect_nothing_in_vain(_metadata, pl);
}

TEST_F_TIMEOUT(merge, other_modules_do_not_wait, HARNESS_LIMIT)
{
	struct group first, rest, second, third;
	struct pl *pl = &self->pl;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	second = gather(_metadata, pl, variant->n, "pl_gate2", variant->way,
			"gate=1");
	third = gather(_metadata, pl, variant->n, "pl_gate3", variant->way,
		       "gate=1");
	hold(_metadata, pl, variant->n, variant->way, "gate=0", "gate=0",
	     &first, &rest);

	release(_metadata, &second);
	release(_metadata, &third);
	assert_answered(_metadata, pl, &second);
	assert_answered(_metadata, pl, &third);
	expect_success(_metadata, &second, NULL);
	expect_success(_metadata, &third, NULL);
	EXPECT_EQ(1, read_gate(0).inside);
	EXPECT_EQ(0, count_answered(&first));
	EXPECT_EQ(0, count_answered(&rest));

	let_go(_metadata, pl, &first, &rest);
	expect_success(_metadata, &first, &rest);
}

/*
 * When the load in progress ends without an answer for the others, one of them
 * takes over.
 */
FIXTURE(takeover) {
	struct pl pl;
};

FIXTURE_VARIANT(takeover) {
	int n;
	enum way way;
};

FIXTURE_VARIANT_ADD(takeover, init_module_2) { .n = 2, .way = INIT_MODULE };
FIXTURE_VARIANT_ADD(takeover, init_module_64) { .n = 64, .way = INIT_MODULE };
FIXTURE_VARIANT_ADD(takeover, one_file_2) { .n = 2, .way = ONE_FILE };
FIXTURE_VARIANT_ADD(takeover, one_file_64) { .n = 64, .way = ONE_FILE };
FIXTURE_VARIANT_ADD(takeover, copies_2) { .n = 2, .way = COPIES };
FIXTURE_VARIANT_ADD(takeover, copies_64) { .n = 64, .way = COPIES };
FIXTURE_VARIANT_ADD(takeover, mixed_2) { .n = 2, .way = MIXED };
FIXTURE_VARIANT_ADD(takeover, mixed_64) { .n = 64, .way = MIXED };

FIXTURE_SETUP(takeover)
{
	setup(_metadata, &self->pl);
}

FIXTURE_TEARDOWN(takeover)
{
	teardown(_metadata, &self->pl);
}

TEST_F_TIMEOUT(takeover, loader_killed_while_it_waits_for_a_symbol,
	       HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct group owner, first, rest;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	owner = gather(_metadata, pl, 1, "pl_gate", INIT_MODULE, "gate=0");
	first = gather(_metadata, pl, 1, "pl_user", variant->way, "");
	rest = gather(_metadata, pl, variant->n - 1, "pl_user", variant->way, "");

	assert_in_gate(_metadata, pl, &owner, 0);
	assert_asleep(_metadata, pl, &first);
	assert_asleep(_metadata, pl, &rest);

	ASSERT_TRUE(kill_and_reap(pl, &first.req[0]))
		TH_LOG("a killed request stays in the system call");
	EXPECT_EQ(0, count_answered(&first))
		TH_LOG("gave up on the symbol before it was killed: %s",
		       answers(&first));
	EXPECT_TRUE(all_fall_asleep(pl, &rest))
		TH_LOG("after the kill: %s", answers(&rest));

	let_go(_metadata, pl, &owner, &rest);
	tell("killed loader (symbol)", variant->way, &rest);
	expect_all(_metadata, &owner, 0);
	expect_success(_metadata, &rest, NULL);
	EXPECT_EQ(1, read_gate(USER_GATE).entered);
}

/* The gate can be interrupted: init gives up, for a reason of its task's own. */
TEST_F_TIMEOUT(takeover, loader_killed_in_init, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct group first, rest;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	hold(_metadata, pl, variant->n, variant->way, "gate=0", "gate=0",
	     &first, &rest);

	ASSERT_TRUE(kill_and_reap(pl, &first.req[0]))
		TH_LOG("a killed request stays in the system call");
	comes_true(pl, read_gate(0).entered == 2 || count_answered(&rest));
	EXPECT_EQ(1, read_gate(0).inside)
		TH_LOG("nobody took over: %s", answers(&rest));
	EXPECT_TRUE(all_fall_asleep(pl, &rest))
		TH_LOG("after the kill: %s", answers(&rest));

	ASSERT_TRUE(set_gate(0, "open"));
	assert_answered(_metadata, pl, &rest);
	tell("killed loader (init)", variant->way, &rest);
	expect_success(_metadata, &rest, NULL);
	EXPECT_EQ(2, read_gate(0).entered);
}

TEST_F_TIMEOUT(takeover, other_parameters_do_not_share_an_error, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct group first, rest;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	hold(_metadata, pl, variant->n, variant->way, "gate=0 " REFUSAL_PARAM,
	     "gate=0 tag=1", &first, &rest);
	let_go(_metadata, pl, &first, &rest);

	tell("other parameters behind failure", variant->way, &rest);
	expect_all(_metadata, &first, REFUSAL);
	expect_success(_metadata, &rest, NULL);
	EXPECT_EQ(2, read_gate(0).entered);
	expect_nothing_in_vain(_metadata, pl);
}

/*
 * A request that is interrupted while it waits goes on waiting as soon as it
 * can, unless its signal handler wants it back: the load is not its own, and
 * what comes of it has not changed.
 */
FIXTURE(interrupted) {
	struct pl pl;
};

FIXTURE_VARIANT(interrupted) {
	int n;
	enum way way;
};

FIXTURE_VARIANT_ADD(interrupted, init_module_2) { .n = 2, .way = INIT_MODULE };
FIXTURE_VARIANT_ADD(interrupted, init_module_64) { .n = 64, .way = INIT_MODULE };
FIXTURE_VARIANT_ADD(interrupted, one_file_2) { .n = 2, .way = ONE_FILE };
FIXTURE_VARIANT_ADD(interrupted, one_file_64) { .n = 64, .way = ONE_FILE };

FIXTURE_SETUP(interrupted)
{
	setup(_metadata, &self->pl);
}

FIXTURE_TEARDOWN(interrupted)
{
	teardown(_metadata, &self->pl);
}

/* After the interruption: they sleep again, and get the answer that is true. */
static void expect_true_answers(struct __test_metadata *_metadata,
				struct pl *pl, const char *row, enum way way,
				const struct group *first,
				const struct group *rest)
{
	EXPECT_TRUE(all_fall_asleep(pl, rest))
		TH_LOG("after the interruption: %s", answers(rest));
	EXPECT_EQ(1, read_gate(0).inside);
	EXPECT_EQ(0, count_answered(first));
	let_go(_metadata, pl, first, rest);

	tell(row, way, rest);
	expect_all(_metadata, first, 0);
	expect_success(_metadata, first, rest);
	EXPECT_EQ(1, read_gate(0).entered);
}

TEST_F_TIMEOUT(interrupted, stopped_and_continued, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct group first, rest;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	hold(_metadata, pl, variant->n, variant->way, "gate=0", "gate=0",
	     &first, &rest);
	stop_and_continue(_metadata, pl, &rest);
	expect_true_answers(_metadata, pl, "stopped and continued",
			    variant->way, &first, &rest);
}

TEST_F_TIMEOUT(interrupted, frozen_and_thawed, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct group first, rest;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	hold(_metadata, pl, variant->n, variant->way, "gate=0", "gate=0",
	     &first, &rest);
	if (!make_cgroup(pl, &rest))
		SKIP(return, "no cgroup v2 with a freezer on " CGROUPS);

	ASSERT_TRUE(set_frozen(pl, "1"));
	ASSERT_TRUE(comes_true(pl, is_frozen(pl, true)));
	/* When this returns, nobody sleeps in the freezer any more. */
	ASSERT_TRUE(set_frozen(pl, "0"));
	ASSERT_TRUE(comes_true(pl, is_frozen(pl, false)));
	expect_true_answers(_metadata, pl, "frozen and thawed", variant->way,
			    &first, &rest);
}

TEST_F_TIMEOUT(interrupted, traced_and_let_go, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct group first, rest;
	int i;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	hold(_metadata, pl, variant->n, variant->way, "gate=0", "gate=0",
	     &first, &rest);
	for (i = 0; i < rest.n; i++)
		ASSERT_EQ(0, ptrace(PTRACE_SEIZE, rest.req[i].pid, 0, 0));
	for (i = 0; i < rest.n; i++)
		ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, rest.req[i].pid, 0, 0));
	for (i = 0; i < rest.n; i++)
		ASSERT_TRUE(comes_true(pl, is_trapped(&rest.req[i])));
	for (i = 0; i < rest.n; i++)
		ASSERT_EQ(0, ptrace(PTRACE_DETACH, rest.req[i].pid, 0, 0));
	expect_true_answers(_metadata, pl, "traced and let go", variant->way,
			    &first, &rest);
}

TEST_F_TIMEOUT(interrupted, handler_with_sa_restart, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct group first, rest;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	hold(_metadata, pl, variant->n, variant->way, "gate=0", "gate=0",
	     &first, &rest);
	signal_all(&rest, SIGUSR1);
	ASSERT_TRUE(comes_true(pl, all_handled(&rest)));
	expect_true_answers(_metadata, pl, "SA_RESTART handler", variant->way,
			    &first, &rest);
}

TEST_F_TIMEOUT(interrupted, handler_without_sa_restart, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct group first, rest;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	hold(_metadata, pl, variant->n, variant->way, "gate=0", "gate=0",
	     &first, &rest);
	signal_all(&rest, SIGUSR2);
	assert_answered(_metadata, pl, &rest);
	tell("EINTR handler", variant->way, &rest);
	expect_all(_metadata, &rest, EINTR);
	EXPECT_TRUE(all_handled(&rest));
	EXPECT_EQ(1, read_gate(0).inside);
	EXPECT_EQ(0, count_answered(&first));

	let_go(_metadata, pl, &first, &rest);
	expect_all(_metadata, &first, 0);
}

/* The one who waits for a symbol is the one who loads. */
TEST_F_TIMEOUT(interrupted, loader_stopped_while_it_waits_for_a_symbol,
	       HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct group owner, first, rest;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	owner = gather(_metadata, pl, 1, "pl_gate", INIT_MODULE, "gate=0");
	first = gather(_metadata, pl, 1, "pl_user", variant->way, "");
	rest = gather(_metadata, pl, variant->n - 1, "pl_user", variant->way, "");

	assert_in_gate(_metadata, pl, &owner, 0);
	assert_asleep(_metadata, pl, &first);
	assert_asleep(_metadata, pl, &rest);

	/* Whoever may take over meanwhile waits for the symbol in its turn. */
	stop_and_continue(_metadata, pl, &first);
	EXPECT_TRUE(all_fall_asleep(pl, &first))
		TH_LOG("after the interruption: %s", answers(&first));
	EXPECT_TRUE(all_fall_asleep(pl, &rest))
		TH_LOG("after it, who waits: %s", answers(&rest));

	let_go(_metadata, pl, &owner, &rest);
	assert_answered(_metadata, pl, &first);
	tell("loader stopped and continued (symbol)", variant->way, &first);
	expect_all(_metadata, &owner, 0);
	expect_success(_metadata, &first, &rest);
	EXPECT_EQ(1, read_gate(USER_GATE).entered);
}

/* Images that cannot be loaded. */
FIXTURE(broken) {
	struct pl pl;
};

FIXTURE_VARIANT(broken) {
	int n;
};

FIXTURE_VARIANT_ADD(broken, 2) { .n = 2 };
FIXTURE_VARIANT_ADD(broken, 64) { .n = 64 };

FIXTURE_SETUP(broken)
{
	setup(_metadata, &self->pl);
}

FIXTURE_TEARDOWN(broken)
{
	teardown(_metadata, &self->pl);
}

/* What does @d get when nobody else asks? */
static int ask_alone(struct __test_metadata *_metadata, struct pl *pl,
		     const struct demand *d)
{
	struct group g = gather_for(_metadata, pl, 1, d);

	release(_metadata, &g);
	assert_answered(_metadata, pl, &g);
	return g.req[0].err;
}

/*
 * pl_gate stands in its gate, "first" waits for it, to fail after that, and
 * "rest" wait for "first".
 */
static void hold_broken(struct __test_metadata *_metadata, struct pl *pl,
			const struct demand *first_demand,
			const struct demand *rest_demand, int n,
			struct group *owner, struct group *first,
			struct group *rest)
{
	*owner = gather(_metadata, pl, 1, "pl_gate", INIT_MODULE, "gate=0");
	*first = gather_for(_metadata, pl, 1, first_demand);
	*rest = gather_for(_metadata, pl, n - 1, rest_demand);

	assert_in_gate(_metadata, pl, owner, 0);
	assert_asleep(_metadata, pl, first);
	assert_asleep(_metadata, pl, rest);
}

TEST_F_TIMEOUT(broken, one_attempt_and_one_answer_for_all, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct demand d = { .way = ONE_FILE, .params = "" };
	struct group owner, first, rest;
	int log;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	d.image = make_broken_user(pl);
	ASSERT_NE(NULL, d.image);
	log = open_log();
	hold_broken(_metadata, pl, &d, &d, variant->n, &owner, &first, &rest);
	let_go(_metadata, pl, &owner, &first);
	assert_answered(_metadata, pl, &rest);

	tell("broken file, same request", ONE_FILE, &rest);
	expect_all(_metadata, &first, ENOENT);
	expect_all(_metadata, &rest, ENOENT);
	if (log < 0)
		TH_LOG("no /dev/kmsg: the attempts are not counted");
	else
		EXPECT_EQ(1, count_in_log(log, "pl_user: Unknown symbol"));
}

TEST_F_TIMEOUT(broken, other_flags_take_over, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct demand d = { .way = ONE_FILE, .params = "" }, other;
	struct group owner, first, rest;
	int alone;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	d.image = make_broken_user(pl);
	ASSERT_NE(NULL, d.image);
	other = d;
	other.flags = MODULE_INIT_COMPRESSED_FILE;
	alone = ask_alone(_metadata, pl, &other);
	ASSERT_NE(0, alone);
	ASSERT_NE(ENOENT, alone);

	hold_broken(_metadata, pl, &d, &other, variant->n, &owner, &first, &rest);
	let_go(_metadata, pl, &owner, &first);
	assert_answered(_metadata, pl, &rest);

	tell("other flags behind failure", ONE_FILE, &rest);
	expect_all(_metadata, &first, ENOENT);
	expect_all(_metadata, &rest, alone);
}

TEST_F_TIMEOUT(broken, good_image_behind_a_broken_one_is_loaded, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct demand bad = { .way = ONE_FILE, .params = "" };
	struct demand good = { .way = MIXED, .params = "" };
	struct group owner, first, rest;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	bad.image = make_broken_user(pl);
	good.image = get_image(pl, "pl_user");
	ASSERT_NE(NULL, bad.image);
	ASSERT_NE(NULL, good.image);
	hold_broken(_metadata, pl, &bad, &good, variant->n, &owner, &first, &rest);
	let_go(_metadata, pl, &owner, &first);
	assert_answered(_metadata, pl, &rest);

	tell("good image behind a broken one", MIXED, &rest);
	expect_all(_metadata, &first, ENOENT);
	expect_success(_metadata, &rest, NULL);
	EXPECT_EQ(1, read_gate(USER_GATE).entered);
}

TEST_F_TIMEOUT(broken, broken_image_behind_a_good_one_does_no_harm,
	       HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct demand bad = { .way = MIXED, .params = "" };
	struct demand good = { .way = ONE_FILE, .params = "" };
	struct group owner, first, rest;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	bad.image = make_broken_user(pl);
	good.image = get_image(pl, "pl_user");
	ASSERT_NE(NULL, bad.image);
	ASSERT_NE(NULL, good.image);
	hold_broken(_metadata, pl, &good, &bad, variant->n, &owner, &first, &rest);
	let_go(_metadata, pl, &owner, &first);
	assert_answered(_metadata, pl, &rest);

	tell("broken image behind a good one", MIXED, &rest);
	expect_all(_metadata, &first, 0);
	expect_success(_metadata, &first, &rest);
	EXPECT_EQ(1, read_gate(USER_GATE).entered);
}

/*
 * init_module() looks at the name before it copies the image: who has to wait
 * for another load, or gets EEXIST, does not need an image that can be read.
 */
FIXTURE(peek) {
	struct pl pl;
};

FIXTURE_VARIANT(peek) {
	int n;
};

FIXTURE_VARIANT_ADD(peek, 2) { .n = 2 };
FIXTURE_VARIANT_ADD(peek, 64) { .n = 64 };

FIXTURE_SETUP(peek)
{
	setup(_metadata, &self->pl);
}

FIXTURE_TEARDOWN(peek)
{
	teardown(_metadata, &self->pl);
}

/*
 * pl_gate stands in its gate, asked for with @params, and "rest" wait for it
 * with an image that cannot be copied.
 */
static void hold_unreadable(struct __test_metadata *_metadata, struct pl *pl,
			    int n, const char *params, struct group *first,
			    struct group *rest)
{
	const struct demand d = {
		.image = make_unreadable(pl, "pl_gate"), .way = INIT_MODULE,
		.params = params,
	};

	*first = gather(_metadata, pl, 1, "pl_gate", INIT_MODULE, params);
	*rest = gather_for(_metadata, pl, n - 1, &d);
	assert_in_gate(_metadata, pl, first, 0);
	assert_asleep(_metadata, pl, rest);
	EXPECT_EQ(0, count_answered(first));
}

/* Each got what it gets alone, or the module was live before it could try. */
static void expect_err_or_eexist(struct __test_metadata *_metadata,
				 const struct group *g, int err)
{
	EXPECT_EQ(g->n, count_err(g, err) + count_err(g, EEXIST))
		TH_LOG("wanted: %s or EEXIST, got: %s", errno_name(err),
		       answers(g));
	EXPECT_LE(count_err(g, EEXIST), count_live(g))
		TH_LOG("answers before the module was live");
}

TEST_F_TIMEOUT(peek, waiters_do_not_copy_the_image, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct group first, rest;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	hold_unreadable(_metadata, pl, variant->n, "gate=0", &first, &rest);
	let_go(_metadata, pl, &first, &rest);

	tell("it goes live, image not readable", INIT_MODULE, &rest);
	expect_all(_metadata, &first, 0);
	expect_success(_metadata, &first, &rest);
	EXPECT_EQ(1, read_gate(0).entered);
}

TEST_F_TIMEOUT(peek, waiters_get_the_error_of_init_without_a_copy, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct group first, rest;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	hold_unreadable(_metadata, pl, variant->n, "gate=0 " REFUSAL_PARAM,
			&first, &rest);
	let_go(_metadata, pl, &first, &rest);

	tell("init refuses, image not readable", INIT_MODULE, &rest);
	expect_all(_metadata, &first, REFUSAL);
	expect_all(_metadata, &rest, REFUSAL);
	EXPECT_EQ(1, read_gate(0).entered);
}

TEST_F_TIMEOUT(peek, live_module_is_not_copied_again, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct demand d = { .way = INIT_MODULE, .params = "" };
	struct group g;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	d.image = get_image(pl, "pl_gate");
	ASSERT_EQ(0, ask_alone(_metadata, pl, &d));
	d.image = make_unreadable(pl, "pl_gate");
	g = gather_for(_metadata, pl, variant->n, &d);
	release(_metadata, &g);
	assert_answered(_metadata, pl, &g);

	tell("it is live, image not readable", INIT_MODULE, &g);
	expect_all(_metadata, &g, EEXIST);
}

TEST_F_TIMEOUT(peek, new_module_is_copied_or_gets_efault, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct demand d = { .way = INIT_MODULE, .params = "" };
	struct group g;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	d.image = make_unreadable(pl, "pl_gate");
	g = gather_for(_metadata, pl, variant->n, &d);
	release(_metadata, &g);
	assert_answered(_metadata, pl, &g);

	tell("nobody loads it, image not readable", INIT_MODULE, &g);
	expect_all(_metadata, &g, EFAULT);
	d.image = get_image(pl, "pl_gate");
	EXPECT_EQ(0, ask_alone(_metadata, pl, &d));
}

/* Two reasons to fail for who has taken the name, before and after the copy. */
TEST_F_TIMEOUT(peek, who_takes_over_and_fails_makes_room, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct demand d = { .way = INIT_MODULE, .params = "gate=0 tag=1" };
	struct group first, unreadable, broken, good;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	first = gather(_metadata, pl, 1, "pl_gate", INIT_MODULE,
		       "gate=0 " REFUSAL_PARAM);
	d.image = make_unreadable(pl, "pl_gate");
	unreadable = gather_for(_metadata, pl, variant->n, &d);
	d.image = make_bad_vermagic(pl, "pl_gate");
	broken = gather_for(_metadata, pl, variant->n, &d);
	good = gather(_metadata, pl, variant->n, "pl_gate", d.way, d.params);
	assert_in_gate(_metadata, pl, &first, 0);
	assert_asleep(_metadata, pl, &unreadable);
	assert_asleep(_metadata, pl, &broken);
	assert_asleep(_metadata, pl, &good);
	let_go(_metadata, pl, &first, &unreadable);
	assert_answered(_metadata, pl, &broken);
	assert_answered(_metadata, pl, &good);

	tell("image not readable behind failure", INIT_MODULE, &unreadable);
	tell("broken image behind failure", INIT_MODULE, &broken);
	expect_all(_metadata, &first, REFUSAL);
	expect_success(_metadata, &good, NULL);
	expect_err_or_eexist(_metadata, &unreadable, EFAULT);
	expect_err_or_eexist(_metadata, &broken, ENOEXEC);
	EXPECT_EQ(2, read_gate(0).entered);
}

TEST_F_TIMEOUT(peek, who_fails_is_in_nobodys_way, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct demand d = { .way = INIT_MODULE, .params = "" };
	struct image *unreadable_image, *broken_image;
	struct group unreadable, broken, good;
	int i;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	unreadable_image = make_unreadable(pl, "pl_gate");
	broken_image = make_bad_vermagic(pl, "pl_gate");
	for (i = 0; i < ROUNDS; i++) {
		d.image = unreadable_image;
		unreadable = gather_for(_metadata, pl, variant->n, &d);
		d.image = broken_image;
		broken = gather_for(_metadata, pl, variant->n, &d);
		good = gather(_metadata, pl, variant->n, "pl_gate", d.way,
			      d.params);
		release(_metadata, &unreadable);
		release(_metadata, &broken);
		release(_metadata, &good);
		assert_answered(_metadata, pl, &unreadable);
		assert_answered(_metadata, pl, &broken);
		assert_answered(_metadata, pl, &good);

		expect_success(_metadata, &good, NULL);
		expect_err_or_eexist(_metadata, &unreadable, EFAULT);
		expect_err_or_eexist(_metadata, &broken, ENOEXEC);
		EXPECT_EQ(0, unload("pl_gate"));
	}
}

/* Images made to mislead whoever looks at them before they are copied. */
FIXTURE(misled) {
	struct pl pl;
};

FIXTURE_SETUP(misled)
{
	setup(_metadata, &self->pl);
}

FIXTURE_TEARDOWN(misled)
{
	teardown(_metadata, &self->pl);
}

/* An image the name of which, *@module_name, can be changed at any time. */
static struct image *make_fickle(struct pl *pl, const char *name,
				 char **module_name)
{
	struct image *image = make_image(pl, name);
	size_t offset;
	char *found;

	if (!image)
		return NULL;
	found = find_text(image, THIS_MODULE, name);
	if (!found)
		return NULL;
	offset = found - (char *)image->data;
	image->data = map_to_end(image->data, image->len);
	if (!image->data)
		return NULL;
	*module_name = image->data + offset;
	return image;
}

/* A process that changes *@digit until it is killed, which teardown does, too. */
static struct request *start_changing(struct __test_metadata *_metadata,
				      struct pl *pl, char *digit)
{
	struct request *req = &pl->req[pl->used];
	pid_t self = getpid(), pid;

	ASSERT_LT(pl->used, MAX_REQUESTS);
	pid = fork();
	if (!pid) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != self)
			_exit(1);
		for (;;) {
			__atomic_store_n(digit, '2', __ATOMIC_RELAXED);
			__atomic_store_n(digit, '3', __ATOMIC_RELAXED);
		}
	}
	ASSERT_LT(0, pid)
		TH_LOG("fork: %s", strerror(errno));
	req->pid = pid;
	pl->used++;
	return req;
}

TEST_F_TIMEOUT(misled, name_that_changes_does_no_harm, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct demand d = { .way = INIT_MODULE, .params = "" };
	struct group fickle, honest;
	struct request *changer;
	char *name = NULL, *digit;
	const int n = 64;
	int i, loaded;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	d.image = make_fickle(pl, "pl_gate3", &name);
	ASSERT_NE(NULL, d.image);
	digit = name + strlen("pl_gate");
	changer = start_changing(_metadata, pl, digit);
	for (i = 0; i < ROUNDS; i++) {
		fickle = gather_for(_metadata, pl, n, &d);
		honest = gather(_metadata, pl, n / 4, "pl_gate2", d.way,
				d.params);
		release(_metadata, &fickle);
		release(_metadata, &honest);
		assert_answered(_metadata, pl, &fickle);
		assert_answered(_metadata, pl, &honest);

		loaded = is_loaded("pl_gate2") + is_loaded("pl_gate3");
		EXPECT_EQ(loaded, count_err(&fickle, 0) + count_err(&honest, 0));
		expect_err_or_eexist(_metadata, &honest, 0);
		/* ENOEXEC: it was another name before the image was copied. */
		EXPECT_EQ(fickle.n, count_err(&fickle, 0) +
				    count_err(&fickle, EEXIST) +
				    count_err(&fickle, ENOEXEC))
			TH_LOG("wanted: 0, EEXIST or ENOEXEC, got: %s",
			       answers(&fickle));
		unload("pl_gate2");
		unload("pl_gate3");
	}
	ASSERT_TRUE(kill_and_reap(pl, changer));

	/* Nothing of either name has been left behind. */
	for (*digit = '2'; *digit <= '3'; ++*digit)
		EXPECT_EQ(0, ask_alone(_metadata, pl, &d));
	EXPECT_EQ(0, unload("pl_gate2"));
	EXPECT_EQ(0, unload("pl_gate3"));
}

/*
 * Who has taken over turns out to load another module, and takes long to copy it:
 * who waits for it asked for one that nobody has loaded yet.
 */
TEST_F_TIMEOUT(misled, who_waits_gets_no_answer_of_another_name, HARNESS_LIMIT)
{
	struct demand fickle_demand = {
		.way = INIT_MODULE, .params = "gate=0 tag=1", .one_cpu = true,
	};
	struct pl *pl = &self->pl;
	struct demand honest_demand = fickle_demand;
	struct group first, fickle, honest;
	char *name = NULL;
	const int n = 16;
	int i;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	fickle_demand.image = make_fickle(pl, "pl_big", &name);
	honest_demand.image = get_image(pl, "pl_gate2");
	ASSERT_NE(NULL, fickle_demand.image);
	for (i = 0; i < ROUNDS; i++) {
		memcpy(name, "pl_gate2", sizeof("pl_gate2"));
		first = gather(_metadata, pl, 1, "pl_gate2", INIT_MODULE,
			       "gate=0 " REFUSAL_PARAM);
		fickle = gather_for(_metadata, pl, n, &fickle_demand);
		honest = gather_for(_metadata, pl, n, &honest_demand);
		assert_in_gate(_metadata, pl, &first, 0);
		/* It depends on the scheduler who is the first to take over. */
		assert_asleep(_metadata, pl, i % 2 ? &fickle : &honest);
		assert_asleep(_metadata, pl, i % 2 ? &honest : &fickle);
		memcpy(name, "pl_big", sizeof("pl_big"));
		let_go(_metadata, pl, &first, &fickle);
		assert_answered(_metadata, pl, &honest);

		tell("behind another name", INIT_MODULE, &honest);
		expect_all(_metadata, &first, REFUSAL);
		/*
		 * Where the image is copied before the request waits, a fickle one
		 * has asked for the same module and may be the one that loads it.
		 */
		ASSERT_TRUE(is_loaded("pl_gate2"))
			TH_LOG("nobody loaded it: %s", answers(&honest));
		EXPECT_EQ(1 + is_loaded("pl_big"),
			  count_err(&honest, 0) + count_err(&fickle, 0));
		expect_err_or_eexist(_metadata, &honest, 0);
		EXPECT_EQ(honest.n, count_live(&honest))
			TH_LOG("answers before the module was live");
		unload("pl_gate2");
		unload("pl_big");
	}
}

/* Makes something in the image lie about where things are. */
static const char *tell_lie(struct image *image, int nr)
{
	struct elf_shdr *mod = (void *)find_section(image, THIS_MODULE);
	struct elf_hdr *hdr = image->data;
	struct elf_shdr *names = image->data + hdr->e_shoff;

	names += hdr->e_shstrndx;
	switch (nr) {
	case 0:
		hdr->e_ident[0] = 0;
		return "no magic number";
	case 1:
		hdr->e_shentsize--;
		return "size of a section header";
	case 2:
		hdr->e_shoff = image->len;
		return "section headers at the end";
	case 3:
		hdr->e_shoff = -sizeof(*hdr);
		return "section headers before the beginning";
	case 4:
		hdr->e_shnum = 0;
		return "no section";
	case 5:
		hdr->e_shnum = 1;
		return "one section";
	case 6:
		hdr->e_shnum = -1;
		return "too many sections";
	case 7:
		hdr->e_shstrndx = hdr->e_shnum;
		return "names in no section";
	case 8:
		hdr->e_shstrndx = SHN_UNDEF;
		return "names in section 0";
	case 9:
		names->sh_offset = image->len;
		return "names at the end";
	case 10:
		names->sh_offset = -sizeof(*hdr);
		return "names before the beginning";
	case 11:
		mod->sh_name = -1;
		return "module's section without a name";
	case 12:
		mod->sh_offset = image->len;
		return "module at the end";
	case 13:
		mod->sh_offset = -sizeof(*hdr);
		return "module before the beginning";
	}
	return NULL;
}

/* Images that end early, and images the memory of which does. */
static void expect_no_load_of_parts(struct __test_metadata *_metadata,
				    const struct image *image)
{
	const struct elf_shdr *mod = find_section(image, THIS_MODULE);
	const struct elf_hdr *hdr = image->data;
	const struct elf_shdr *sec = image->data + hdr->e_shoff;
	const size_t ends[] = {
		0, 1, sizeof(*hdr) - 1, sizeof(*hdr), mod->sh_offset,
		mod->sh_offset + mod->sh_size / 2,
		sec[hdr->e_shstrndx].sh_offset + 1, hdr->e_shoff,
		hdr->e_shoff + 1, hdr->e_shoff + hdr->e_shnum * sizeof(*sec) - 1,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		const void *data = map_to_end(image->data, ends[i]);

		ASSERT_NE(NULL, data);
		EXPECT_EQ(ENOEXEC, load(data, ends[i], ""))
			TH_LOG("%zu bytes", ends[i]);
		EXPECT_EQ(EFAULT, load(data, image->len, ""))
			TH_LOG("%zu bytes can be read", ends[i]);
	}
}

/* Names that no module may have, in an image that fails before it could. */
static void expect_no_load_by_odd_names(struct __test_metadata *_metadata,
					struct image *image)
{
	char *name = find_text(image, THIS_MODULE, image->name);
	char *symbol = find_text(image, ".strtab", "pl_gate_enter");

	ASSERT_NE(NULL, name);
	ASSERT_NE(NULL, symbol);
	*symbol = '?';
	*name = '\0';
	EXPECT_EQ(ENOENT, load(image->data, image->len, ""));
	/* As long as there is room for it. A kernel may see that first. */
	memset(name, 'x', 64 - sizeof(long));
	EXPECT_NE(0, load(image->data, image->len, ""));
}

/* The name is looked for in each of them, before it is seen what is wrong. */
TEST_F_TIMEOUT(misled, odd_images_get_an_error, HARNESS_LIMIT)
{
	struct demand d = { .way = INIT_MODULE, .params = "" };
	struct pl *pl = &self->pl;
	struct image *image;
	struct elf_hdr *hdr;
	const char *lie;
	int i;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	d.image = get_image(pl, "pl_gate2");
	image = make_image(pl, "pl_gate2");
	ASSERT_NE(NULL, image);
	ASSERT_NE(NULL, find_section(image, THIS_MODULE));
	hdr = image->data;

	expect_no_load_of_parts(_metadata, d.image);
	for (i = 0; (lie = tell_lie(image, i)); i++) {
		EXPECT_EQ(ENOEXEC, load(image->data, image->len, ""))
			TH_LOG("%s", lie);
		memcpy(image->data, d.image->data, image->len);
	}
	EXPECT_EQ(EFAULT, load(NULL, image->len, ""));
	EXPECT_EQ(EFAULT, load((void *)-1L, image->len, ""));

	/* Long enough for section headers where no memory, or the kernel, is. */
	EXPECT_EQ(ENOMEM, load(image->data, -MIB, ""));
	hdr->e_shoff = LONG_MAX / 2;
	EXPECT_EQ(ENOMEM, load(image->data, -MIB, ""));
	hdr->e_shoff = -2 * MIB - (unsigned long)image->data;
	EXPECT_EQ(ENOMEM, load(image->data, -MIB, ""));
	memcpy(image->data, d.image->data, image->len);

	expect_no_load_by_odd_names(_metadata, image);
	EXPECT_EQ(0, ask_alone(_metadata, pl, &d));
}

/* A load and a removal of one module. */
FIXTURE(removal) {
	struct pl pl;
};

FIXTURE_VARIANT(removal) {
	int n;
	enum way way;
};

FIXTURE_VARIANT_ADD(removal, init_module_2) { .n = 2, .way = INIT_MODULE };
FIXTURE_VARIANT_ADD(removal, init_module_64) { .n = 64, .way = INIT_MODULE };
FIXTURE_VARIANT_ADD(removal, one_file_2) { .n = 2, .way = ONE_FILE };
FIXTURE_VARIANT_ADD(removal, one_file_64) { .n = 64, .way = ONE_FILE };

FIXTURE_SETUP(removal)
{
	setup(_metadata, &self->pl);
}

FIXTURE_TEARDOWN(removal)
{
	teardown(_metadata, &self->pl);
}

TEST_F_TIMEOUT(removal, loads_wait_for_it, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct group remover, loads;
	const struct image *image;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	image = get_image(pl, "pl_gate");
	ASSERT_NE(NULL, image);
	ASSERT_EQ(0, load(image->data, image->len, "gate=1 exit_gate=0"));
	remover = gather(_metadata, pl, 1, "pl_gate", REMOVAL, "");
	loads = gather(_metadata, pl, variant->n, "pl_gate", variant->way,
		       "gate=1");
	assert_in_gate(_metadata, pl, &remover, 0);

	release(_metadata, &loads);
	EXPECT_TRUE(all_fall_asleep(pl, &loads))
		TH_LOG("in front of a removal: %s", answers(&loads));
	EXPECT_EQ(0, count_answered(&remover));
	let_go(_metadata, pl, &remover, &loads);

	tell("load meets removal", variant->way, &loads);
	expect_all(_metadata, &remover, 0);
	expect_success(_metadata, &loads, NULL);
	/* By the one before and by one of these. */
	EXPECT_EQ(2, read_gate(1).entered);
}

TEST_F_TIMEOUT(removal, of_what_is_being_loaded_is_refused, HARNESS_LIMIT)
{
	struct group first, rest, removers;
	struct pl *pl = &self->pl;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	removers = gather(_metadata, pl, variant->n, "pl_gate", REMOVAL, "");
	hold(_metadata, pl, variant->n, variant->way, "gate=0", "gate=0",
	     &first, &rest);

	release(_metadata, &removers);
	assert_answered(_metadata, pl, &removers);
	tell("removal meets load", REMOVAL, &removers);
	expect_all(_metadata, &removers, EBUSY);
	EXPECT_EQ(1, read_gate(0).inside);
	EXPECT_TRUE(all_fall_asleep(pl, &rest))
		TH_LOG("after the removal: %s", answers(&rest));

	let_go(_metadata, pl, &first, &rest);
	expect_all(_metadata, &first, 0);
	expect_success(_metadata, &first, &rest);
	EXPECT_EQ(1, read_gate(0).entered);
}

/* Modules that need others. */
FIXTURE(dependent) {
	struct pl pl;
};

FIXTURE_VARIANT(dependent) {
	int n;
	enum way way;
};

FIXTURE_VARIANT_ADD(dependent, init_module_2) { .n = 2, .way = INIT_MODULE };
FIXTURE_VARIANT_ADD(dependent, init_module_64) { .n = 64, .way = INIT_MODULE };
FIXTURE_VARIANT_ADD(dependent, one_file_2) { .n = 2, .way = ONE_FILE };
FIXTURE_VARIANT_ADD(dependent, one_file_64) { .n = 64, .way = ONE_FILE };

FIXTURE_SETUP(dependent)
{
	setup(_metadata, &self->pl);
}

FIXTURE_TEARDOWN(dependent)
{
	teardown(_metadata, &self->pl);
}

/*
 * pl_chain needs pl_user needs pl_gate. A symbol can be waited for from the
 * moment on when its owner's init function is about to run, not before: so
 * pl_user has a gate of its own, and pl_chain is not asked for until it is in
 * there.
 */
TEST_F_TIMEOUT(dependent, chain_of_three, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct group gate, user, chain, gate_rest, user_rest, chain_rest;
	enum way way = variant->way;
	int n = variant->n - 1;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	hold(_metadata, pl, variant->n, way, "gate=0", "gate=0", &gate,
	     &gate_rest);
	user = gather(_metadata, pl, 1, "pl_user", way, "");
	user_rest = gather(_metadata, pl, n, "pl_user", way, "");
	chain = gather(_metadata, pl, 1, "pl_chain", way, "");
	chain_rest = gather(_metadata, pl, n, "pl_chain", way, "");

	ASSERT_TRUE(set_gate(USER_GATE, "reset"));
	ASSERT_TRUE(set_gate(USER_GATE, "close"));
	assert_asleep(_metadata, pl, &user);
	assert_asleep(_metadata, pl, &user_rest);
	let_go(_metadata, pl, &gate, &gate_rest);
	ASSERT_TRUE(comes_true(pl, read_gate(USER_GATE).inside));

	assert_asleep(_metadata, pl, &chain);
	assert_asleep(_metadata, pl, &chain_rest);
	EXPECT_TRUE(all_fall_asleep(pl, &user));
	EXPECT_TRUE(all_fall_asleep(pl, &user_rest));
	ASSERT_TRUE(set_gate(USER_GATE, "open"));
	assert_answered(_metadata, pl, &user);
	assert_answered(_metadata, pl, &user_rest);
	assert_answered(_metadata, pl, &chain);
	assert_answered(_metadata, pl, &chain_rest);

	tell("chain of three, the first", way, &gate_rest);
	tell("chain of three, the second", way, &user_rest);
	tell("chain of three, the third", way, &chain_rest);
	expect_success(_metadata, &gate, &gate_rest);
	expect_success(_metadata, &user, &user_rest);
	expect_success(_metadata, &chain, &chain_rest);
	EXPECT_EQ(1, read_gate(0).entered);
	EXPECT_EQ(1, read_gate(USER_GATE).entered);
}

/* The kernel's own limit for a symbol is what takes long here, twice 30 s. */
FIXTURE(patience) {
	struct pl pl;
};

FIXTURE_SETUP(patience)
{
	setup(_metadata, &self->pl);
}

FIXTURE_TEARDOWN(patience)
{
	teardown(_metadata, &self->pl);
}

TEST_F_TIMEOUT(patience, one_timeout_for_a_symbol_is_enough_for_all, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct group owner, users;
	char secs[16], line[128];
	int log, again;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	owner = gather(_metadata, pl, 1, "pl_gate", INIT_MODULE, "gate=0");
	users = gather(_metadata, pl, 8, "pl_user", INIT_MODULE, "");
	log = open_log();
	again = open_log();
	assert_in_gate(_metadata, pl, &owner, 0);
	assert_asleep(_metadata, pl, &users);
	assert_answered(_metadata, pl, &users);

	tell("the owner of a symbol takes too long", INIT_MODULE, &users);
	EXPECT_EQ(0, count_answered(&owner));
	expect_all(_metadata, &users, EBUSY);
	if (log < 0)
		TH_LOG("no /dev/kmsg: the attempts are not counted");
	else	/* one for each of two symbols */
		EXPECT_EQ(2, count_in_log(log, "pl_user: gave up waiting"));
	/* Nobody else waits for the owner, but the log tells whom to look at. */
	snprintf(line, sizeof(line),
		 "pl_gate: parallel_load[%d] has been initializing it for ",
		 owner.req[0].pid);
	if (again >= 0 && read_file(REPORT_SECS, secs, sizeof(secs)) &&
	    !strcmp(secs, "30"))
		EXPECT_EQ(1, count_in_log(again, line));
	ASSERT_TRUE(set_gate(0, "open"));
	assert_answered(_metadata, pl, &owner);
}

/* Many modules at once: whose waiters are woken when one of them is live? */
FIXTURE(wake_ups) {
	struct pl pl;
	char report_secs[16];
};

FIXTURE_VARIANT(wake_ups) {
	enum way way;
};

FIXTURE_VARIANT_ADD(wake_ups, init_module) { .way = INIT_MODULE };
FIXTURE_VARIANT_ADD(wake_ups, one_file) { .way = ONE_FILE };

/* Who has waited for long wakes up to say so in the log. That is not counted here. */
FIXTURE_SETUP(wake_ups)
{
	if (!read_file(REPORT_SECS, self->report_secs, sizeof(self->report_secs)) ||
	    !write_file(REPORT_SECS, "0"))
		self->report_secs[0] = '\0';
	setup(_metadata, &self->pl);
}

FIXTURE_TEARDOWN(wake_ups)
{
	teardown(_metadata, &self->pl);
	if (self->report_secs[0])
		write_file(REPORT_SECS, self->report_secs);
}

/* How often has this process gone to sleep? */
static long voluntary_switches(pid_t pid)
{
	char path[64], line[256];
	long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
			break;
	fclose(f);
	return n;
}

TEST_F_TIMEOUT(wake_ups, one_per_waiter, STEPS_LIMIT)
{
	struct group first[WAKE_MODULES], rest[WAKE_MODULES];
	const int waiters = WAKE_MODULES * WAKE_REQUESTS;
	static long before[WAKE_MODULES * WAKE_REQUESTS];
	struct demand d = { .way = variant->way, .params = "gate=0" };
	long wakes = 0, most = 0;
	struct pl *pl = &self->pl;
	struct group all;
	int i;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	if (available_memory() < WAKE_MEMORY)
		SKIP(return, "needs %lu MiB of free memory", WAKE_MEMORY / MIB);

	all = (struct group){ .req = pl->req, .n = MAX_REQUESTS };
	ASSERT_TRUE(set_gate(0, "close"));
	for (i = 0; i < WAKE_MODULES; i++) {
		struct image *image = make_image(pl, "pl_gate3");
		char name[32];

		set_deadline(pl, TEST_LIMIT);
		ASSERT_NE(NULL, image);
		snprintf(name, sizeof(name), MADE_NAME, i);
		ASSERT_TRUE(rename_module(image, name));
		ASSERT_TRUE(give_file(image));

		d.image = image;
		first[i] = gather_for(_metadata, pl, 1, &d);
		rest[i] = gather_for(_metadata, pl, WAKE_REQUESTS, &d);
		release(_metadata, &first[i]);
		comes_true(pl, read_gate(0).inside > i || all_answered(&first[i]));
		ASSERT_EQ(i + 1, read_gate(0).inside)
			TH_LOG("%s is not in its gate: %s", name,
			       answers(&first[i]));
		assert_asleep(_metadata, pl, &rest[i]);
	}

	/* What was woken before this is in here, and does not count. */
	for (i = 0; i < waiters; i++)
		before[i] = voluntary_switches(rest[i / WAKE_REQUESTS]
					       .req[i % WAKE_REQUESTS].pid);

	/* One after the other, in whatever order: each wakes its own. */
	for (i = 1; i <= WAKE_MODULES; i++) {
		set_deadline(pl, TEST_LIMIT);
		ASSERT_TRUE(set_gate(0, "step"));
		ASSERT_TRUE(comes_true(pl, count_answered(&all) ==
					   i * (1 + WAKE_REQUESTS)))
			TH_LOG("%d modules should be live: %s", i, answers(&all));
	}

	/* Who gets 0 is not the point here. */
	EXPECT_EQ(all.n, count_err(&all, 0) + count_err(&all, EEXIST))
		TH_LOG("%s", answers(&all));
	for (i = 0; i < waiters; i++) {
		const struct group *g = &rest[i / WAKE_REQUESTS];
		long n = g->req[i % WAKE_REQUESTS].switches - before[i];

		/* The sleep that it was in then has been ended, too. */
		wakes += n + 1;
		if (n + 1 > most)
			most = n + 1;
	}
	TH_LOG("%d waiters on %d modules: %.3f wake-ups each, at most %ld",
	       waiters, WAKE_MODULES, (double)wakes / waiters, most);
	EXPECT_LE(waiters, wakes);
	EXPECT_LE(wakes, WAKE_UPS * waiters);
}

/* No gates: as many requests as a large machine makes, all at once. */
FIXTURE(storm) {
	struct pl pl;
};

FIXTURE_SETUP(storm)
{
	setup(_metadata, &self->pl);
}

FIXTURE_TEARDOWN(storm)
{
	teardown(_metadata, &self->pl);
}

TEST_F_TIMEOUT(storm, one_load_and_nothing_in_vain, HARNESS_LIMIT)
{
	/* The first takes long to copy and to lay out, the other much memory. */
	static const char * const names[] = { "pl_big", "pl_wide" };
	struct pl *pl = &self->pl;
	size_t i;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	if (available_memory() < STORM_MEMORY)
		SKIP(return, "needs %lu MiB of free memory", STORM_MEMORY / MIB);
	if (pl->in_vain < 0)
		SKIP(return, "no " STATS ": needs CONFIG_MODULE_STATS and debugfs");

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		/*
		 * Taking turns on one CPU, all requests get as far as each
		 * other, on however few real CPUs a virtual machine runs.
		 */
		const struct demand d = {
			.image = get_image(pl, names[i]), .way = INIT_MODULE,
			.params = "", .one_cpu = true,
		};
		struct group g = gather_for(_metadata, pl, STORM_REQUESTS, &d);

		TH_LOG("%d requests for %s", g.n, names[i]);
		release(_metadata, &g);
		assert_answered(_metadata, pl, &g);
		expect_success(_metadata, &g, NULL);
		expect_nothing_in_vain(_metadata, pl);
	}
}

/*
 * A module that nobody else asks for, as large as the one that all ask for: no gap
 * which that one has left is of use to it. What has been laid out in vain stays until
 * the load in the gate has ended.
 */
TEST_F_TIMEOUT(storm, another_module_finds_room, HARNESS_LIMIT)
{
	static struct kernel_log log;
	struct pl *pl = &self->pl;
	struct image *other;
	struct demand d = {
		.way = INIT_MODULE, .params = "gate=0", .one_cpu = true,
	};
	struct group g;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	if (available_memory() < STORM_MEMORY)
		SKIP(return, "needs %lu MiB of free memory", STORM_MEMORY / MIB);

	d.image = get_image(pl, "pl_wide");
	other = make_image(pl, "pl_wide");
	ASSERT_TRUE(other && rename_module(other, OTHER_WIDE));
	ASSERT_TRUE(follow_log(&log));
	g = gather_for(_metadata, pl, STORM_REQUESTS, &d);
	assert_in_gate(_metadata, pl, &g, 0);
	ASSERT_TRUE(comes_true(pl, count_asleep(&g) + count_answered(&g) == g.n));

	EXPECT_EQ(0, load(other->data, other->len, "gate=1"))
		TH_LOG("%d requests for pl_wide sleep, the others: %s",
		       count_asleep(&g), answers(&g));
	EXPECT_EQ(0, count_lines(&log, NO_ROOM) + count_lines(&log, NO_ROOM_BEFORE));
	unload(OTHER_WIDE);

	ASSERT_TRUE(set_gate(0, "open"));
	assert_answered(_metadata, pl, &g);
	expect_success(_metadata, &g, NULL);
}

TEST_F_TIMEOUT(storm, all_get_the_error_of_init, HARNESS_LIMIT)
{
	struct pl *pl = &self->pl;
	struct group g;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	if (available_memory() < STORM_MEMORY)
		SKIP(return, "needs %lu MiB of free memory", STORM_MEMORY / MIB);

	g = gather(_metadata, pl, STORM_REQUESTS, "pl_big", INIT_MODULE,
		   REFUSAL_PARAM);
	release(_metadata, &g);
	assert_answered(_metadata, pl, &g);
	expect_all(_metadata, &g, REFUSAL);
}

/*
 * Images that cannot be loaded. They fail before they can be held: whoever comes
 * first, the answer is one.
 */
TEST_F_TIMEOUT(storm, every_request_gets_the_error_of_its_image, HARNESS_LIMIT)
{
	static const char * const kinds[] = {
		"bad vermagic", "unknown symbol", "truncated", "bad stream",
		"bad parameter",
	};
	struct pl *pl = &self->pl;
	size_t i;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct image *image = make_image(pl, i == 1 ? "pl_user" : "pl_gate2");
		struct demand d = {
			.image = image, .way = ONE_FILE, .params = "",
		};
		struct group g;
		int alone;

		ASSERT_NE(NULL, image);
		switch (i) {
		case 0:
			ASSERT_TRUE(spoil_vermagic(image));
			break;
		case 1:
			ASSERT_TRUE(spoil_last_symbol(image));
			break;
		case 2:
			image->len /= 2;
			break;
		case 3:
			/* The beginning of an xz stream, and then an ELF file's. */
			memmove(image->data + 6, image->data, image->len - 6);
			memcpy(image->data, "\3757zXZ", 6);
			d.flags = MODULE_INIT_COMPRESSED_FILE;
			break;
		case 4:
			d.params = "gate=none";
			break;
		}
		ASSERT_TRUE(give_file(image));

		alone = ask_alone(_metadata, pl, &d);
		TH_LOG("%s: %s", kinds[i], errno_name(alone));
		EXPECT_NE(0, alone);
		g = gather_for(_metadata, pl, STORM_REQUESTS / 2, &d);
		release(_metadata, &g);
		assert_answered(_metadata, pl, &g);
		expect_all(_metadata, &g, alone);
	}
}

/* They take over from one another: a deadline is for the next answer, not for all. */
TEST_F_TIMEOUT(storm, modules_that_need_each_other_get_enoent, STEPS_LIMIT)
{
	static const enum way ways[] = { INIT_MODULE, ONE_FILE };
	struct pl *pl = &self->pl;
	size_t i;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		struct group one = gather(_metadata, pl, STORM_REQUESTS / 2,
					  "pl_ring1", ways[i], "");
		struct group two = gather(_metadata, pl, STORM_REQUESTS / 2,
					  "pl_ring2", ways[i], "");
		struct group all = { .req = one.req, .n = one.n + two.n };
		int n;

		release(_metadata, &one);
		release(_metadata, &two);
		while ((n = count_answered(&all)) < all.n) {
			set_deadline(pl, TEST_LIMIT);
			ASSERT_TRUE(comes_true(pl, count_answered(&all) > n))
				TH_LOG("still waiting: %s", answers(&all));
		}
		tell("two modules that need each other", ways[i], &one);
		expect_all(_metadata, &one, ENOENT);
		expect_all(_metadata, &two, ENOENT);
	}
}

/*
 * modules_disabled, set while requests wait. It cannot be taken back, and what
 * is loaded then stays: this comes last, and only where it is welcome.
 */
FIXTURE(disabled) {
	struct pl pl;
};

FIXTURE_SETUP(disabled)
{
	setup(_metadata, &self->pl);
}

FIXTURE_TEARDOWN(disabled)
{
	teardown(_metadata, &self->pl);
}

TEST_F_TIMEOUT(disabled, nobody_takes_over_any_more, HARNESS_LIMIT)
{
	static const enum way ways[] = { INIT_MODULE, ONE_FILE };
	const char *params = "gate=1 " REFUSAL_PARAM;
	struct group first[3], rest[3], late;
	struct pl *pl = &self->pl;
	char cmdline[4096];
	const int n = 16;
	int i;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	if (!read_file("/proc/cmdline", cmdline, sizeof(cmdline)) ||
	    !strstr(cmdline, MAY_DISABLE))
		SKIP(return, "ends in a reboot: boot with " MAY_DISABLE);

	/* One that will be live, two that will not, asked for in either way. */
	hold(_metadata, pl, n, INIT_MODULE, "gate=0", "gate=0", &first[0],
	     &rest[0]);
	ASSERT_TRUE(set_gate(1, "close"));
	for (i = 1; i < 3; i++) {
		const char *name = i == 1 ? "pl_gate2" : "pl_gate3";

		first[i] = gather(_metadata, pl, 1, name, ways[i - 1], params);
		rest[i] = gather(_metadata, pl, n - 1, name, ways[i - 1],
				 "gate=1 tag=1");
		release(_metadata, &first[i]);
		ASSERT_TRUE(comes_true(pl, read_gate(1).inside == i));
		assert_asleep(_metadata, pl, &rest[i]);
	}
	late = gather(_metadata, pl, n, "pl_user", INIT_MODULE, "");

	ASSERT_TRUE(write_file(DISABLED, "1"));
	release(_metadata, &late);
	assert_answered(_metadata, pl, &late);
	expect_all(_metadata, &late, EPERM);

	ASSERT_TRUE(set_gate(0, "open"));
	ASSERT_TRUE(set_gate(1, "open"));
	for (i = 0; i < 3; i++) {
		assert_answered(_metadata, pl, &first[i]);
		assert_answered(_metadata, pl, &rest[i]);
	}

	tell("modules_disabled behind success", INIT_MODULE, &rest[0]);
	tell("modules_disabled behind failure", INIT_MODULE, &rest[1]);
	tell("modules_disabled behind failure", ONE_FILE, &rest[2]);
	expect_success(_metadata, &first[0], &rest[0]);
	for (i = 1; i < 3; i++) {
		expect_all(_metadata, &first[i], REFUSAL);
		expect_all(_metadata, &rest[i], EPERM);
	}
	EXPECT_EQ(2, read_gate(1).entered);
}

/* The harness's, for all but what has nothing to do with it. */
#define main harness_main
TEST_HARNESS_MAIN
#undef main

int main(int argc, char **argv)
{
	return hammer_wanted(argv) ? hammer_main(argc, argv) : harness_main(argc, argv);
}
