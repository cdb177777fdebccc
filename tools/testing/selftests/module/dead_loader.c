// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes of the requests for a module whose init function oopses?
 *
 * The task that loads it is dead, then, and nobody knows what state the module is
 * in. It stays until a reboot, so this runs only where it is welcome: on a
 * kernel which was booted with the word below, and without panic_on_oops.
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
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "pl_request.h"

#define MAY_OOPS	"parallel_load.oops"

/* Seconds: the kernel waits 30 for a symbol, and it must not here. */
#define ANSWER_LIMIT	10

#define EACH		8

FIXTURE(dead) {
	struct pl pl;
	struct kernel_log log;
};

/* No more than one process dies, whichever of the tests are run. */
static bool is_dead_already(void)
{
	char state[16];

	return read_file("/sys/module/pl_gate/initstate", state, sizeof(state)) &&
	       !strcmp(state, "coming");
}

static const char *why_not_here(struct pl *pl)
{
	char cmdline[4096], panic[16];

	if (!read_file("/proc/cmdline", cmdline, sizeof(cmdline)) ||
	    !strstr(cmdline, MAY_OOPS))
		return "ends in a reboot: boot with " MAY_OOPS;
	if (!read_file("/proc/sys/kernel/panic_on_oops", panic, sizeof(panic)) ||
	    strcmp(panic, "0"))
		return "panic_on_oops is set";
	return why_not(pl);
}

FIXTURE_SETUP(dead)
{
	struct pl *pl = &self->pl;
	const struct image *ctl;
	int err;

	pl->cannot = why_not_here(pl);
	if (pl->cannot)
		return;
	set_deadline(pl, TEST_LIMIT);
	pl->req = mmap(NULL, MAX_REQUESTS * sizeof(*pl->req),
		       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, pl->req);
	ctl = get_image(pl, CTL);
	ASSERT_NE(NULL, ctl);
	err = load(ctl->data, ctl->len, "");
	ASSERT_TRUE(!err || err == EEXIST)
		TH_LOG(CTL ": %s", strerror(err));
	open_all_gates();
	ASSERT_TRUE(follow_log(&self->log));
}

/* What is dead stays, and what that needs. */
FIXTURE_TEARDOWN(dead)
{
	struct pl *pl = &self->pl;
	int i;

	if (pl->cannot)
		return;
	set_deadline(pl, TEARDOWN_LIMIT);
	open_all_gates();
	for (i = 0; i < pl->used; i++) {
		if (pl->req[i].pid)
			kill(pl->req[i].pid, SIGKILL);
		EXPECT_TRUE(comes_true(pl, reap(&pl->req[i])));
	}
	EXPECT_TRUE(comes_true(pl, (unload("pl_gate2"), !is_loaded("pl_gate2"))));
	EXPECT_TRUE(comes_true(pl, (unload("pl_gate3"), !is_loaded("pl_gate3"))));
}

/* Let the one in the gate go on: into the oops, which ends its process. */
static void let_it_die(struct __test_metadata *_metadata, struct pl *pl,
		       struct request *req)
{
	ASSERT_TRUE(set_gate(0, "open"));
	ASSERT_TRUE(comes_true(pl, reap(req)));
	EXPECT_FALSE(req->answered);
	req->killed = true;
}

/* The module is dead already, or is now. */
static void assert_dead(struct __test_metadata *_metadata, struct pl *pl)
{
	struct group first;

	if (is_dead_already())
		return;
	first = gather(_metadata, pl, 1, "pl_gate", ONE_FILE, "gate=0 oops=1");
	assert_in_gate(_metadata, pl, &first, 0);
	let_it_die(_metadata, pl, &first.req[0]);
	ASSERT_TRUE(is_dead_already());
}

static void expect_ebusy(struct __test_metadata *_metadata, struct pl *pl,
			 const char *row, enum way way, const struct group *g)
{
	set_deadline(pl, ANSWER_LIMIT);
	EXPECT_TRUE(comes_true(pl, all_answered(g)))
		TH_LOG("%s: still waiting after %d s: %s", row, ANSWER_LIMIT,
		       answers(g));
	set_deadline(pl, TEST_LIMIT);
	tell(row, way, g);
	expect_all(_metadata, g, EBUSY);
}

/* This has to be the first test. */
TEST_F_TIMEOUT(dead, those_who_wait_get_ebusy, HARNESS_LIMIT)
{
	const char *params = "gate=0 oops=1";
	struct group first, file, name, copies, user, users;
	struct pl *pl = &self->pl;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);
	if (is_dead_already())
		SKIP(return, "pl_gate is dead already: reboot");

	first = gather(_metadata, pl, 1, "pl_gate", ONE_FILE, params);
	file = gather(_metadata, pl, EACH, "pl_gate", ONE_FILE, params);
	name = gather(_metadata, pl, EACH, "pl_gate", INIT_MODULE, params);
	copies = gather(_metadata, pl, EACH, "pl_gate", COPIES, "gate=0 tag=1");
	user = gather(_metadata, pl, 1, "pl_user", INIT_MODULE, "");
	users = gather(_metadata, pl, EACH, "pl_user", INIT_MODULE, "");
	assert_in_gate(_metadata, pl, &first, 0);
	assert_asleep(_metadata, pl, &file);
	assert_asleep(_metadata, pl, &name);
	assert_asleep(_metadata, pl, &copies);
	assert_asleep(_metadata, pl, &user);
	assert_asleep(_metadata, pl, &users);
	let_it_die(_metadata, pl, &first.req[0]);

	expect_ebusy(_metadata, pl, "oops in init", ONE_FILE, &file);
	expect_ebusy(_metadata, pl, "oops in init", INIT_MODULE, &name);
	expect_ebusy(_metadata, pl, "oops in init", COPIES, &copies);
	expect_ebusy(_metadata, pl, "oops in init of a symbol's owner",
		     INIT_MODULE, &user);
	expect_ebusy(_metadata, pl, "oops in init of a symbol's owner",
		     INIT_MODULE, &users);
	EXPECT_EQ(1, read_gate(0).entered);
}

/* One message, and it says who has died. Needs the first test. */
TEST_F_TIMEOUT(dead, all_requests_get_one_message, HARNESS_LIMIT)
{
	struct kernel_log *log = &self->log;
	struct pl *pl = &self->pl;
	char task[64], wanted[256];
	const char *line;
	struct group g;
	pid_t pid;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	assert_dead(_metadata, pl);
	g = gather(_metadata, pl, EACH, "pl_gate", INIT_MODULE, "");
	release(_metadata, &g);
	assert_answered(_metadata, pl, &g);
	/* From the beginning of the log on. */
	ASSERT_EQ(0, lseek(log->fd, 0, SEEK_SET));
	EXPECT_EQ(1, count_lines(log, " has died while "));
	line = find_line(log, " has died while ", 0) ?: "no line";
	if (sscanf(line, "module: pl_gate: dead_loader[%d]", &pid) != 1)
		pid = 0;
	snprintf(wanted, sizeof(wanted), "module: pl_gate: dead_loader[%d]%s%s", pid,
		 " has died while initializing it: ",
		 "requests for it get EBUSY from now on");
	EXPECT_STREQ(wanted, line);
	snprintf(task, sizeof(task), "PID: %d ", pid);
	EXPECT_LT(0, count_lines(log, task))
		TH_LOG("no oops of process %d", pid);
}

static void ask_late(struct __test_metadata *_metadata, struct pl *pl,
		     const char *name, enum way way)
{
	struct group g;

	assert_dead(_metadata, pl);
	g = gather(_metadata, pl, EACH, name, way, way == REMOVAL ? NULL : "");
	release(_metadata, &g);
	expect_ebusy(_metadata, pl, !strcmp(name, "pl_user") ?
		     "late, oops in init of a symbol's owner" : "late, oops in init",
		     way, &g);
}

TEST_F_TIMEOUT(dead, late_init_module_gets_ebusy, HARNESS_LIMIT)
{
	if (self->pl.cannot)
		SKIP(return, "%s", self->pl.cannot);
	ask_late(_metadata, &self->pl, "pl_gate", INIT_MODULE);
}

TEST_F_TIMEOUT(dead, late_finit_module_of_the_file_gets_ebusy, HARNESS_LIMIT)
{
	if (self->pl.cannot)
		SKIP(return, "%s", self->pl.cannot);
	ask_late(_metadata, &self->pl, "pl_gate", ONE_FILE);
}

TEST_F_TIMEOUT(dead, late_finit_module_of_copies_gets_ebusy, HARNESS_LIMIT)
{
	if (self->pl.cannot)
		SKIP(return, "%s", self->pl.cannot);
	ask_late(_metadata, &self->pl, "pl_gate", COPIES);
}

TEST_F_TIMEOUT(dead, late_load_that_needs_a_symbol_gets_ebusy, HARNESS_LIMIT)
{
	if (self->pl.cannot)
		SKIP(return, "%s", self->pl.cannot);
	ask_late(_metadata, &self->pl, "pl_user", INIT_MODULE);
	ask_late(_metadata, &self->pl, "pl_user", ONE_FILE);
}

TEST_F_TIMEOUT(dead, removal_gets_ebusy, HARNESS_LIMIT)
{
	if (self->pl.cannot)
		SKIP(return, "%s", self->pl.cannot);
	ask_late(_metadata, &self->pl, "pl_gate", REMOVAL);
}

TEST_F_TIMEOUT(dead, other_modules_come_and_go, HARNESS_LIMIT)
{
	static const enum way ways[] = { INIT_MODULE, ONE_FILE, COPIES };
	struct pl *pl = &self->pl;
	struct group first, rest;
	size_t i;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	assert_dead(_metadata, pl);
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		first = gather(_metadata, pl, 1, "pl_gate2", ways[i], "gate=1");
		rest = gather(_metadata, pl, EACH, "pl_gate2", ways[i], "gate=1");
		assert_in_gate(_metadata, pl, &first, 1);
		assert_asleep(_metadata, pl, &rest);
		ASSERT_TRUE(set_gate(1, "open"));
		assert_answered(_metadata, pl, &first);
		assert_answered(_metadata, pl, &rest);
		expect_success(_metadata, &first, &rest);
		EXPECT_EQ(0, unload("pl_gate2"));
	}
}

/* Shown as long as it is in the way. */
TEST_F_TIMEOUT(dead, load_is_listed_as_dead, HARNESS_LIMIT)
{
	const char *loads = "/sys/kernel/debug/modules/loads";
	struct pl *pl = &self->pl;
	char line[512];
	bool found = false;
	FILE *f;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);
	if (access("/sys/kernel/debug/modules", F_OK))
		SKIP(return, "no /sys/kernel/debug/modules: mount debugfs");

	assert_dead(_metadata, pl);
	f = fopen(loads, "re");
	ASSERT_NE(NULL, f)
		TH_LOG("%s: %s", loads, strerror(errno));
	while (fgets(line, sizeof(line), f))
		found |= !strncmp(line, "pl_gate dead dead_loader[", 25);
	fclose(f);
	EXPECT_TRUE(found);
}

TEST_HARNESS_MAIN
