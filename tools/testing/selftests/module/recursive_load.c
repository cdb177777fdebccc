// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes of a module that asks for itself?
 *
 * A module's init function may call request_module() and wait for the helper
 * that loads the other module. If that comes back to the module which asked, the
 * helper waits for a load that waits for the helper. Here pl_modprobe is the
 * helper: it does what a test has planned for the name that it is asked for, and
 * tells the test what came of it.
 *
 * A request that would wait for itself gets EDEADLK at once. Ten seconds are many
 * times what that takes; a kernel that lets it wait shows nothing else after
 * ten minutes.
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
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest_harness.h"
#include "pl_helper.h"

/* Seconds. */
#define ANSWER_LIMIT	10

#define REFUSED		": refused"

/* The requests of a storm, of which some may ask for a removal. */
#define STORM		64
#define REMOVALS	8

/* Answers */

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/*
 * From now on, the groups in @a and @b (or NULL) get all their answers in time,
 * and so do @n requests of helpers.
 */
static void assert_end(struct __test_metadata *_metadata, struct rec *rec,
		       const struct group *a, const struct group *b, int n)
{
	double start = seconds();
	struct pl *pl = &rec->pl;

	set_deadline(pl, ANSWER_LIMIT);
	ASSERT_TRUE(comes_true(pl, all_answered(a) && (!b || all_answered(b)) &&
			       count_told(rec, NULL, -1, NULL) >= n)) {
		TH_LOG("still waiting after %d s: %s", ANSWER_LIMIT, answers(a));
		if (b)
			TH_LOG("and: %s", answers(b));
		TH_LOG("%d of %d requests of helpers have an answer",
		       count_told(rec, NULL, -1, NULL), n);
	}
	fprintf(TH_LOG_STREAM, "# all answered after %.2f s\n",
		seconds() - start);
	set_deadline(pl, TEST_LIMIT);
	EXPECT_EQ(n, count_told(rec, NULL, -1, NULL));
}

/* A request in a circle: its module, or NULL if it has none of its own, and task. */
struct link {
	const char *module;
	const char *comm;
	pid_t pid;
};

#define HELPER(pid)		{ NULL, "modprobe", pid }
#define HELPER_OF(module, pid)	{ module, "modprobe", pid }
#define LOAD(module, group)	{ module, "recursive_load", (group).req[0].pid }
#define END			{ NULL, NULL, 0 }

/* It is printed after the request was woken, if one was refused. */
static void wait_for_line(struct rec *rec)
{
	set_deadline(&rec->pl, ANSWER_LIMIT);
	comes_true(&rec->pl, !count_told(rec, NULL, EDEADLK, NULL) ||
		   count_lines(&rec->log, REFUSED));
	set_deadline(&rec->pl, TEST_LIMIT);
}

static const char *refusal_of(const struct link *link)
{
	static const char * const words[] = {
		"module: ", " is not to wait for ", ", which waits for ",
	};
	static char line[1024];
	size_t len = 0;
	int i;

	for (i = 0; link[i].comm; i++)
		len += snprintf(line + len, sizeof(line) - len, "%s%s%s%s[%d]",
				words[i < 2 ? i : 2], link[i].module ?: "",
				link[i].module ? " of " : "", link[i].comm,
				link[i].pid);
	snprintf(line + len, sizeof(line) - len, REFUSED);
	return line;
}

/* One line in the log tells of one refusal, and this is it. */
static void expect_refusal(struct __test_metadata *_metadata, struct rec *rec,
			   const struct link *link)
{
	wait_for_line(rec);
	EXPECT_EQ(1, count_lines(&rec->log, REFUSED));
	EXPECT_STREQ(refusal_of(link), find_line(&rec->log, REFUSED, 0) ?: "no line");
	if (read_stat("Mods ever loaded") >= 0)
		EXPECT_EQ(rec->refused + 1, read_stat("Recursions refused"));
}

static void expect_no_refusal(struct __test_metadata *_metadata,
			      struct rec *rec)
{
	expect_told(_metadata, rec, NULL, 0, EDEADLK);
	EXPECT_EQ(NULL, find_line(&rec->log, REFUSED, 0))
		TH_LOG("%s", find_line(&rec->log, REFUSED, 0));
}

FIXTURE(recursion) {
	struct rec rec;
};

FIXTURE_VARIANT(recursion) {
	enum way way;
	const char *helps;
};

FIXTURE_VARIANT_ADD(recursion, init_module) {
	.way = INIT_MODULE, .helps = "init_module",
};

FIXTURE_VARIANT_ADD(recursion, one_file) {
	.way = ONE_FILE, .helps = "finit_module",
};

FIXTURE_SETUP(recursion)
{
	self->rec.way = variant->way;
	self->rec.helps = variant->helps;
	setup_helper(_metadata, &self->rec);
}

FIXTURE_TEARDOWN(recursion)
{
	teardown_helper(_metadata, &self->rec);
}

/* pl_gate asks for @name, which a helper finds to be pl_gate again. */
static void ask_for_itself(struct __test_metadata *_metadata, struct rec *rec,
			   const char *name, const char *how)
{
	struct pl *pl = &rec->pl;
	struct group g;
	char params[64];
	pid_t pid = 0;

	plan(_metadata, rec, name, "pl_gate", how, "");
	snprintf(params, sizeof(params), "ask=%s", name);
	g = gather(_metadata, pl, 1, "pl_gate", rec->way, params);
	release(_metadata, &g);
	assert_end(_metadata, rec, &g, NULL, 1);

	expect_all(_metadata, &g, 0);
	EXPECT_EQ(1, count_live(&g));
	EXPECT_EQ(1, count_told(rec, name, EDEADLK, &pid));
	expect_refusal(_metadata, rec, (struct link[]){
		HELPER(pid),
		LOAD("pl_gate", g),
		HELPER(pid),
		END,
	});
}

TEST_F_TIMEOUT(recursion, init_asks_for_its_own_module, HARNESS_LIMIT)
{
	struct rec *rec = &self->rec;

	if (rec->pl.cannot)
		SKIP(return, "%s", rec->pl.cannot);
	ask_for_itself(_metadata, rec, "pl_gate", "self");
}

TEST_F_TIMEOUT(recursion, init_asks_for_its_own_module_by_alias, HARNESS_LIMIT)
{
	struct rec *rec = &self->rec;

	if (rec->pl.cannot)
		SKIP(return, "%s", rec->pl.cannot);
	ask_for_itself(_metadata, rec, "pl-alias-of-gate", "self");
}

/* As an install line of modprobe.d may have it. */
TEST_F_TIMEOUT(recursion, child_of_the_helper_loads, HARNESS_LIMIT)
{
	struct rec *rec = &self->rec;

	if (rec->pl.cannot)
		SKIP(return, "%s", rec->pl.cannot);
	ask_for_itself(_metadata, rec, "pl_gate", "child");
}

TEST_F_TIMEOUT(recursion, shell_of_the_helper_loads, HARNESS_LIMIT)
{
	struct rec *rec = &self->rec;

	if (rec->pl.cannot)
		SKIP(return, "%s", rec->pl.cannot);
	if (access("/bin/sh", X_OK))
		SKIP(return, "no /bin/sh");
	ask_for_itself(_metadata, rec, "pl_gate", "shell");
}

TEST_F_TIMEOUT(recursion, init_asks_for_what_asks_for_it, HARNESS_LIMIT)
{
	struct rec *rec = &self->rec;
	pid_t first = 0, second = 0;
	struct group g;

	if (rec->pl.cannot)
		SKIP(return, "%s", rec->pl.cannot);

	plan(_metadata, rec, "pl_gate2", "pl_gate2", "self", "ask=pl_gate");
	plan(_metadata, rec, "pl_gate", "pl_gate", "self", "ask=pl_gate2");
	g = gather(_metadata, &rec->pl, 1, "pl_gate", rec->way, "ask=pl_gate2");
	release(_metadata, &g);
	assert_end(_metadata, rec, &g, NULL, 2);

	expect_all(_metadata, &g, 0);
	EXPECT_EQ(1, count_told(rec, "pl_gate2", 0, &first));
	EXPECT_EQ(1, count_told(rec, "pl_gate", EDEADLK, &second));
	expect_refusal(_metadata, rec, (struct link[]){
		HELPER(second),
		LOAD("pl_gate", g),
		HELPER_OF("pl_gate2", first),
		HELPER(second),
		END,
	});
}

/* Nobody knows which of the two is the last to close the circle. */
TEST_F_TIMEOUT(recursion, two_loads_ask_for_each_other, HARNESS_LIMIT)
{
	static const char * const names[] = { "pl_gate", "pl_gate2" };
	struct rec *rec = &self->rec;
	struct pl *pl = &rec->pl;
	struct group one, two;
	pid_t pid[2] = {};
	int loser;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	plan(_metadata, rec, "pl_gate2", "pl_gate2", "self", "gate=1 ask=pl_gate");
	plan(_metadata, rec, "pl_gate", "pl_gate", "self", "gate=0 ask=pl_gate2");
	one = gather(_metadata, pl, 1, "pl_gate", rec->way, "gate=0 ask=pl_gate2");
	two = gather(_metadata, pl, 1, "pl_gate2", rec->way, "gate=1 ask=pl_gate");
	assert_in_gate(_metadata, pl, &one, 0);
	assert_in_gate(_metadata, pl, &two, 1);
	ASSERT_TRUE(set_gate(0, "open"));
	ASSERT_TRUE(set_gate(1, "open"));
	assert_end(_metadata, rec, &one, &two, 2);

	expect_all(_metadata, &one, 0);
	expect_all(_metadata, &two, 0);
	expect_told(_metadata, rec, NULL, 1, EDEADLK);
	expect_told(_metadata, rec, NULL, 1, EEXIST);
	loser = count_told(rec, names[1], EDEADLK, NULL);
	count_told(rec, names[loser], EDEADLK, &pid[0]);
	count_told(rec, names[!loser], EEXIST, &pid[1]);
	expect_refusal(_metadata, rec, (struct link[]){
		HELPER(pid[0]),
		LOAD(names[loser], loser ? two : one),
		HELPER(pid[1]),
		LOAD(names[!loser], loser ? one : two),
		HELPER(pid[0]),
		END,
	});
}

/* The one that sleeps already did not close the circle, nor does it matter. */
TEST_F_TIMEOUT(recursion, one_load_asks_for_another_and_then_that_for_it,
	       HARNESS_LIMIT)
{
	struct rec *rec = &self->rec;
	struct pl *pl = &rec->pl;
	struct group one, two;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	plan(_metadata, rec, "pl_gate2", "pl_gate2", "self", "gate=1 ask=pl_gate");
	plan(_metadata, rec, "pl_gate", "pl_gate", "self", "gate=0 ask=pl_gate2");
	one = gather(_metadata, pl, 1, "pl_gate", rec->way, "gate=0 ask=pl_gate2");
	two = gather(_metadata, pl, 1, "pl_gate2", rec->way, "gate=1 ask=pl_gate");
	assert_in_gate(_metadata, pl, &one, 0);
	assert_in_gate(_metadata, pl, &two, 1);
	ASSERT_TRUE(set_gate(0, "open"));
	ASSERT_TRUE(comes_true(pl, helper_sleeps(rec, "pl_gate2")));
	EXPECT_EQ(0, count_lines(&rec->log, REFUSED));
	ASSERT_TRUE(set_gate(1, "open"));
	assert_end(_metadata, rec, &one, &two, 2);

	expect_all(_metadata, &one, 0);
	expect_all(_metadata, &two, 0);
	expect_told(_metadata, rec, NULL, 1, EDEADLK);
	expect_told(_metadata, rec, NULL, 1, EEXIST);
	wait_for_line(rec);
	EXPECT_EQ(1, count_lines(&rec->log, REFUSED));
}

TEST_F_TIMEOUT(recursion, three_ask_each_the_next, HARNESS_LIMIT)
{
	struct rec *rec = &self->rec;
	pid_t pid[3] = {};
	struct group g;

	if (rec->pl.cannot)
		SKIP(return, "%s", rec->pl.cannot);

	plan(_metadata, rec, "pl_gate2", "pl_gate2", "self", "ask=pl_gate3");
	plan(_metadata, rec, "pl_gate3", "pl_gate3", "self", "ask=pl_gate");
	plan(_metadata, rec, "pl_gate", "pl_gate", "self", "ask=pl_gate2");
	g = gather(_metadata, &rec->pl, 1, "pl_gate", rec->way, "ask=pl_gate2");
	release(_metadata, &g);
	assert_end(_metadata, rec, &g, NULL, 3);

	expect_all(_metadata, &g, 0);
	EXPECT_EQ(1, count_told(rec, "pl_gate2", 0, &pid[0]));
	EXPECT_EQ(1, count_told(rec, "pl_gate3", 0, &pid[1]));
	EXPECT_EQ(1, count_told(rec, "pl_gate", EDEADLK, &pid[2]));
	expect_refusal(_metadata, rec, (struct link[]){
		HELPER(pid[2]),
		LOAD("pl_gate", g),
		HELPER_OF("pl_gate2", pid[0]),
		HELPER_OF("pl_gate3", pid[1]),
		HELPER(pid[2]),
		END,
	});
}

/* Each from a load of its own. The last word names them all, however long it is. */
TEST_F_TIMEOUT(recursion, ring_of_three_loads, HARNESS_LIMIT)
{
	static const char * const names[] = { "pl_gate", "pl_gate2", "pl_gate3" };
	struct rec *rec = &self->rec;
	struct pl *pl = &rec->pl;
	struct group g[3];
	const char *line;
	char word[64];
	pid_t pid;
	int i;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	for (i = 0; i < 3; i++) {
		char params[64];

		snprintf(params, sizeof(params), "gate=%d ask=%s", i,
			 names[(i + 1) % 3]);
		plan(_metadata, rec, names[i], names[i], "self", params);
		g[i] = gather(_metadata, pl, 1, names[i], rec->way, params);
		assert_in_gate(_metadata, pl, &g[i], i);
	}
	for (i = 0; i < 3; i++)
		ASSERT_TRUE(set_gate(i, "open"));
	assert_end(_metadata, rec, &g[0], &g[1], 3);
	assert_end(_metadata, rec, &g[2], NULL, 3);

	for (i = 0; i < 3; i++)
		expect_all(_metadata, &g[i], 0);
	expect_told(_metadata, rec, NULL, 1, EDEADLK);
	expect_told(_metadata, rec, NULL, 2, EEXIST);
	wait_for_line(rec);
	EXPECT_EQ(1, count_lines(&rec->log, REFUSED));
	line = find_line(&rec->log, REFUSED, 0) ?: "no line";
	for (i = 0; i < 3; i++) {
		snprintf(word, sizeof(word), "%s of recursive_load[%d]",
			 names[i], g[i].req[0].pid);
		EXPECT_NE(NULL, strstr(line, word))
			TH_LOG("no \"%s\" in: %s", word, line);
		pid = 0;
		count_told(rec, names[i], -1, &pid);
		snprintf(word, sizeof(word), "modprobe[%d]", pid);
		EXPECT_NE(NULL, strstr(line, word))
			TH_LOG("no \"%s\" in: %s", word, line);
	}
}

/* Nobody waits for that helper, so it may wait for as long as it takes. */
TEST_F_TIMEOUT(recursion, who_is_not_waited_for_is_not_refused, HARNESS_LIMIT)
{
	const char *params = "gate=0 ask=pl_gate nowait=1 then_gate=1";
	struct rec *rec = &self->rec;
	struct pl *pl = &rec->pl;
	struct group g;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	plan(_metadata, rec, "pl_gate", "pl_gate", "self", params);
	g = gather(_metadata, pl, 1, "pl_gate", rec->way, params);
	assert_in_gate(_metadata, pl, &g, 0);
	ASSERT_TRUE(set_gate(1, "close"));
	ASSERT_TRUE(set_gate(0, "open"));
	ASSERT_TRUE(comes_true(pl, helper_sleeps(rec, "pl_gate") ||
			       count_told(rec, NULL, -1, NULL)));
	EXPECT_EQ(0, count_told(rec, NULL, -1, NULL));
	/* The helper can be the faster one. */
	ASSERT_TRUE(comes_true(pl, read_gate(1).inside == 1));
	ASSERT_TRUE(set_gate(1, "open"));
	assert_end(_metadata, rec, &g, NULL, 1);

	expect_all(_metadata, &g, 0);
	expect_told(_metadata, rec, "pl_gate", 1, EEXIST);
	expect_no_refusal(_metadata, rec);
}

/* The helper loads pl_user, which needs a symbol of the module that asked. */
TEST_F_TIMEOUT(recursion, helper_needs_a_symbol_of_who_asked, HARNESS_LIMIT)
{
	struct rec *rec = &self->rec;
	pid_t pid = 0;
	struct group g;

	if (rec->pl.cannot)
		SKIP(return, "%s", rec->pl.cannot);

	plan(_metadata, rec, "pl_user", "pl_user", "self", "");
	g = gather(_metadata, &rec->pl, 1, "pl_gate", rec->way, "ask=pl_user");
	release(_metadata, &g);
	assert_end(_metadata, rec, &g, NULL, 1);

	expect_all(_metadata, &g, 0);
	EXPECT_EQ(1, count_told(rec, "pl_user", EDEADLK, &pid));
	EXPECT_FALSE(is_loaded("pl_user"));
	expect_refusal(_metadata, rec, (struct link[]){
		HELPER_OF("pl_user", pid),
		LOAD("pl_gate", g),
		HELPER_OF("pl_user", pid),
		END,
	});
}

/* An outsider loads pl_user, for which the helper is to wait: not its fault. */
TEST_F_TIMEOUT(recursion, outsider_in_a_circle_succeeds, HARNESS_LIMIT)
{
	struct rec *rec = &self->rec;
	struct pl *pl = &rec->pl;
	struct group g, outsider;
	pid_t pid = 0;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	plan(_metadata, rec, "pl_user", "pl_user", "self", "");
	g = gather(_metadata, pl, 1, "pl_gate", rec->way, "gate=0 ask=pl_user");
	outsider = gather(_metadata, pl, 1, "pl_user", rec->way, "");
	assert_in_gate(_metadata, pl, &g, 0);
	assert_asleep(_metadata, pl, &outsider);
	ASSERT_TRUE(set_gate(0, "open"));
	assert_end(_metadata, rec, &g, &outsider, 1);

	expect_all(_metadata, &g, 0);
	expect_all(_metadata, &outsider, 0);
	EXPECT_EQ(1, count_told(rec, "pl_user", EDEADLK, &pid));
	expect_refusal(_metadata, rec, (struct link[]){
		HELPER(pid),
		LOAD("pl_user", outsider),
		LOAD("pl_gate", g),
		HELPER(pid),
		END,
	});
}

/*
 * The outsider waits for the module that asks, with a file of it in its hands that
 * the helper is to wait for.
 */
TEST_F_TIMEOUT(recursion, outsider_that_has_the_file_gets_eexist, HARNESS_LIMIT)
{
	const char *params = "gate=0 ask=pl_gate";
	struct rec *rec = &self->rec;
	struct pl *pl = &rec->pl;
	struct group g, outsider;
	pid_t pid = 0;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	rec->helps = "finit_module";
	plan(_metadata, rec, "pl_gate", "pl_gate", "self", params);
	g = gather(_metadata, pl, 1, "pl_gate",
		   rec->way == ONE_FILE ? COPIES : rec->way, params);
	outsider = gather(_metadata, pl, 1, "pl_gate", ONE_FILE, params);
	assert_in_gate(_metadata, pl, &g, 0);
	assert_asleep(_metadata, pl, &outsider);
	ASSERT_TRUE(set_gate(0, "open"));
	assert_end(_metadata, rec, &g, &outsider, 1);

	expect_all(_metadata, &g, 0);
	expect_all(_metadata, &outsider, EEXIST);
	EXPECT_EQ(1, count_told(rec, "pl_gate", EDEADLK, &pid));
	expect_refusal(_metadata, rec, (struct link[]){
		HELPER(pid),
		LOAD(NULL, outsider),
		LOAD("pl_gate", g),
		HELPER(pid),
		END,
	});
}

/*
 * It is an outsider that closes the circle. pl_both needs a symbol of each of two
 * modules, and waits for the first. The second asks for pl_both: nothing is wrong
 * with that, and @n helpers, who do it @how, sleep. Now the first is live, and the
 * outsider has to wait for the second. Those who sleep are refused.
 */
static void close_by_outsider(struct __test_metadata *_metadata, struct rec *rec,
			      const char *how, int n)
{
	static const char * const names[] = { "pl_gate", "pl_gate2" };
	struct group first, second, outsider;
	const struct image *image;
	const char *needed, *line;
	struct pl *pl = &rec->pl;
	pid_t pid[2] = {};
	int i, one;

	image = get_image(pl, "pl_both");
	ASSERT_NE(NULL, image);
	needed = first_needed(image, "pl_gate_answer", "pl_gate2_answer");
	ASSERT_NE(NULL, needed);
	one = strcmp(needed, "pl_gate_answer") ? 1 : 0;

	plan(_metadata, rec, "pl_both", "pl_both", how, "");
	first = gather(_metadata, pl, 1, names[one], rec->way, "gate=0");
	second = gather(_metadata, pl, 1, names[!one], rec->way,
			"gate=1 ask=pl_both");
	outsider = gather(_metadata, pl, 1, "pl_both", rec->way, "");
	assert_in_gate(_metadata, pl, &first, 0);
	assert_in_gate(_metadata, pl, &second, 1);
	assert_asleep(_metadata, pl, &outsider);
	ASSERT_TRUE(set_gate(1, "open"));
	ASSERT_TRUE(comes_true(pl, count_sleeping(rec, "pl_both") == n))
		TH_LOG("%d of %d helpers asleep", count_sleeping(rec, "pl_both"), n);
	for (i = 0; i < n; i++)
		pid[i] = find_asking(rec, "pl_both", i);
	ASSERT_TRUE(all_fall_asleep(pl, &outsider));
	EXPECT_EQ(0, count_answered(&second));
	expect_no_refusal(_metadata, rec);

	ASSERT_TRUE(set_gate(0, "open"));
	assert_answered(_metadata, pl, &first);
	assert_end(_metadata, rec, &second, &outsider, n);
	expect_all(_metadata, &first, 0);
	expect_all(_metadata, &second, 0);
	expect_all(_metadata, &outsider, 0);
	expect_told(_metadata, rec, "pl_both", n, EDEADLK);

	set_deadline(pl, ANSWER_LIMIT);
	EXPECT_TRUE(comes_true(pl, count_lines(&rec->log, REFUSED) >= n));
	EXPECT_EQ(n, count_lines(&rec->log, REFUSED));
	for (i = 0; i < n; i++) {
		line = refusal_of((struct link[]){
			HELPER(pid[i]),
			LOAD("pl_both", outsider),
			LOAD(names[!one], second),
			HELPER(pid[i]),
			END,
		});
		EXPECT_EQ(1, count_lines(&rec->log, line))
			TH_LOG("not in the log: %s", line);
	}
	if (read_stat("Mods ever loaded") >= 0)
		EXPECT_EQ(rec->refused + n, read_stat("Recursions refused"));
}

TEST_F_TIMEOUT(recursion, outsider_that_closes_the_circle_succeeds, HARNESS_LIMIT)
{
	struct rec *rec = &self->rec;

	if (rec->pl.cannot)
		SKIP(return, "%s", rec->pl.cannot);
	close_by_outsider(_metadata, rec, "self", 1);
}

TEST_F_TIMEOUT(recursion, outsider_that_closes_two_circles_succeeds, HARNESS_LIMIT)
{
	struct rec *rec = &self->rec;

	if (rec->pl.cannot)
		SKIP(return, "%s", rec->pl.cannot);
	close_by_outsider(_metadata, rec, "pair", 2);
}

/* The same parameters are no reason to share an answer that is one's own fault. */
TEST_F_TIMEOUT(recursion, others_who_wait_meanwhile_get_eexist, HARNESS_LIMIT)
{
	const char *params = "gate=0 ask=pl_gate";
	struct rec *rec = &self->rec;
	struct pl *pl = &rec->pl;
	struct group first, rest;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	plan(_metadata, rec, "pl_gate", "pl_gate", "self", params);
	hold(_metadata, pl, 17, rec->way, params, params, &first, &rest);
	ASSERT_TRUE(set_gate(0, "open"));
	assert_end(_metadata, rec, &first, &rest, 1);

	expect_success(_metadata, &first, &rest);
	expect_told(_metadata, rec, "pl_gate", 1, EDEADLK);
	EXPECT_EQ(1, read_gate(0).entered);
	wait_for_line(rec);
	EXPECT_EQ(1, count_lines(&rec->log, REFUSED));
}

/*
 * Requests for pl_user wait for the load of the helper's, which is refused a
 * symbol: one of them takes over, and has every right to wait for it.
 */
TEST_F_TIMEOUT(recursion, refusal_is_not_shared, HARNESS_LIMIT)
{
	struct rec *rec = &self->rec;
	struct pl *pl = &rec->pl;
	struct group g, outsiders;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	plan(_metadata, rec, "pl_user", "pl_user", "self", "");
	g = gather(_metadata, pl, 1, "pl_gate", rec->way,
		   "ask=pl_user then_gate=1");
	outsiders = gather(_metadata, pl, 8, "pl_user", rec->way, "");
	assert_in_gate(_metadata, pl, &g, 1);
	expect_told(_metadata, rec, "pl_user", 1, EDEADLK);
	assert_asleep(_metadata, pl, &outsiders);
	ASSERT_TRUE(set_gate(1, "open"));
	assert_end(_metadata, rec, &g, &outsiders, 1);

	expect_all(_metadata, &g, 0);
	expect_success(_metadata, &outsiders, NULL);
	wait_for_line(rec);
	EXPECT_EQ(1, count_lines(&rec->log, REFUSED));
}

TEST_F_TIMEOUT(recursion, exit_asks_for_its_own_module, HARNESS_LIMIT)
{
	struct rec *rec = &self->rec;
	struct group g, removal;
	pid_t pid = 0;

	if (rec->pl.cannot)
		SKIP(return, "%s", rec->pl.cannot);

	plan(_metadata, rec, "pl_gate", "pl_gate", "self", "");
	g = gather(_metadata, &rec->pl, 1, "pl_gate", rec->way,
		   "exit_ask=pl_gate");
	release(_metadata, &g);
	assert_answered(_metadata, &rec->pl, &g);
	expect_all(_metadata, &g, 0);

	removal = gather(_metadata, &rec->pl, 1, "pl_gate", REMOVAL, NULL);
	release(_metadata, &removal);
	assert_end(_metadata, rec, &removal, NULL, 1);
	expect_all(_metadata, &removal, 0);
	EXPECT_FALSE(is_loaded("pl_gate"));
	EXPECT_EQ(1, count_told(rec, "pl_gate", EDEADLK, &pid));
	expect_refusal(_metadata, rec, (struct link[]){
		HELPER(pid),
		LOAD("pl_gate", removal),
		HELPER(pid),
		END,
	});
}

/* Whom nobody can see to belong to the load waits; but not for ever. */
TEST_F_TIMEOUT(recursion, orphan_of_the_helper_can_be_killed, HARNESS_LIMIT)
{
	struct rec *rec = &self->rec;
	struct pl *pl = &rec->pl;
	struct group g;
	pid_t pid;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	plan(_metadata, rec, "pl_gate", "pl_gate", "orphan", "");
	g = gather(_metadata, pl, 1, "pl_gate", rec->way, "ask=pl_gate");
	release(_metadata, &g);
	ASSERT_TRUE(comes_true(pl, helper_sleeps(rec, "pl_gate")));
	EXPECT_EQ(0, count_answered(&g));
	pid = find_asking(rec, "pl_gate", 0);
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, kill(pid, SIGKILL));
	assert_end(_metadata, rec, &g, NULL, 0);

	expect_all(_metadata, &g, 0);
	expect_no_refusal(_metadata, rec);
}

/* It is not refused, but the log tells what the load waits for, and whom to kill. */
TEST_F_TIMEOUT(recursion, orphan_of_the_helper_is_reported, HARNESS_LIMIT)
{
	struct rec *rec = &self->rec;
	struct pl *pl = &rec->pl;
	const char *line;
	struct group g;
	int secs, pid;
	char head[128], tail[64];

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);
	ASSERT_TRUE(read_file(REPORT_SECS, rec->report_secs, sizeof(rec->report_secs)) &&
		    write_file(REPORT_SECS, "1"))
		TH_LOG(REPORT_SECS ": %s", strerror(errno));

	plan(_metadata, rec, "pl_gate", "pl_gate", "orphan", "");
	g = gather(_metadata, pl, 1, "pl_gate", rec->way, "ask=pl_gate");
	release(_metadata, &g);
	ASSERT_TRUE(comes_true(pl, helper_sleeps(rec, "pl_gate")));
	snprintf(head, sizeof(head), "module: pl_gate: recursive_load[%d] has been ",
		 g.req[0].pid);
	ASSERT_TRUE(comes_true(pl, count_lines(&rec->log, head)));
	line = find_line(&rec->log, head, 0) + strlen(head);
	EXPECT_TRUE(sscanf(line, "initializing it for %d s, waiting for helper [%d]%63[^\n]",
			   &secs, &pid, tail) == 3 && !strcmp(tail, "; 1 request waits"))
		TH_LOG("%s", line);
	EXPECT_EQ(0, count_answered(&g));
	expect_no_refusal(_metadata, rec);
	kill_helpers(rec);
	assert_end(_metadata, rec, &g, NULL, 0);
}

/*
 * The distribution's modprobe, with an alias and an install line. It has to find
 * the test modules, which depmod must have seen.
 */
TEST_F_TIMEOUT(recursion, modprobe_with_an_install_line, HARNESS_LIMIT)
{
	const char *conf = "/run/modprobe.d/recursive_load.conf";
	struct rec *rec = &self->rec;
	struct pl *pl = &rec->pl;
	const char *line, *tail;
	char wanted[128];
	struct group g;
	bool ended;
	FILE *f;
	int one, two;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);
	if (access("/sbin/modprobe", X_OK) || access("/bin/sh", X_OK) ||
	    system("/sbin/modprobe -n -q pl_gate"))
		SKIP(return, "no /sbin/modprobe that finds pl_gate");

	mkdir("/run/modprobe.d", 0755);
	f = fopen(conf, "we");
	if (!f)
		SKIP(return, "cannot write %s", conf);
	fprintf(f, "alias pl-recursive-* pl_gate\n"
		"install pl_gate /sbin/modprobe -q --ignore-install pl_gate; exit $?\n");
	fclose(f);
	if (!write_file(MODPROBE_PATH, "/sbin/modprobe")) {
		unlink(conf);
		ASSERT_TRUE(false);
	}

	g = gather(_metadata, pl, 1, "pl_gate", rec->way, "ask=pl-recursive-7");
	release(_metadata, &g);
	set_deadline(pl, ANSWER_LIMIT);
	ended = comes_true(pl, all_answered(&g));
	unlink(conf);
	ASSERT_TRUE(ended)
		TH_LOG("still waiting after %d s", ANSWER_LIMIT);

	expect_all(_metadata, &g, 0);
	EXPECT_EQ(1, count_lines(&rec->log, REFUSED));
	snprintf(wanted, sizeof(wanted),
		 "] is not to wait for pl_gate of recursive_load[%d], which waits for modprobe[",
		 g.req[0].pid);
	line = find_line(&rec->log, REFUSED, 0) ?: "no line";
	tail = strstr(line, wanted);
	EXPECT_TRUE(tail && sscanf(line, "module: modprobe[%d]", &one) == 1 &&
		    sscanf(tail + strlen(wanted), "%d]: refused", &two) == 1 &&
		    one == two)
		TH_LOG("%s", line);
}

/*
 * No false alarm: the modules ask for one another in any order, but never in a
 * circle, while many ask for all of them.
 */
FIXTURE(acyclic) {
	struct rec rec;
};

FIXTURE_VARIANT(acyclic) {
	enum way way;
	const char *helps;
};

FIXTURE_VARIANT_ADD(acyclic, init_module) {
	.way = INIT_MODULE, .helps = "init_module",
};

FIXTURE_VARIANT_ADD(acyclic, one_file) {
	.way = ONE_FILE, .helps = "finit_module",
};

FIXTURE_VARIANT_ADD(acyclic, both) {
	.way = MIXED, .helps = "finit_module",
};

FIXTURE_SETUP(acyclic)
{
	self->rec.way = variant->way;
	self->rec.helps = variant->helps;
	setup_helper(_metadata, &self->rec);
}

FIXTURE_TEARDOWN(acyclic)
{
	teardown_helper(_metadata, &self->rec);
}

static const char * const orders[][3] = {
	{ "pl_gate", "pl_gate2", "pl_gate3" },
	{ "pl_gate", "pl_gate3", "pl_gate2" },
	{ "pl_gate2", "pl_gate", "pl_gate3" },
	{ "pl_gate2", "pl_gate3", "pl_gate" },
	{ "pl_gate3", "pl_gate", "pl_gate2" },
	{ "pl_gate3", "pl_gate2", "pl_gate" },
};

/* All requests from number @base on are answered: as if there had been none. */
static void clear_away(struct __test_metadata *_metadata, struct pl *pl, int base)
{
	int i;

	forget_requests(_metadata, pl, base);
	ASSERT_TRUE(comes_true(pl, unload_all_but(CTL)));
}

/*
 * STORM requests, for the modules in @order by turns. The first asks for the
 * second and that for the third, or both ask for the third. @removals of them are
 * removals.
 */
static void storm(struct __test_metadata *_metadata, struct rec *rec,
		  const char * const order[3], bool chain, int removals)
{
	int i, wrong, base = rec->pl.used;
	struct pl *pl = &rec->pl;
	struct group g[3], gone[3] = {};
	char params[3][64];

	forget(rec);
	for (i = 0; i < 3; i++) {
		if (i == 2)
			params[i][0] = '\0';
		else
			snprintf(params[i], sizeof(params[i]), "ask=%s",
				 order[chain ? i + 1 : 2]);
		plan(_metadata, rec, order[i], order[i], "self", params[i]);
	}
	for (i = 0; i < 3; i++) {
		int n = (STORM - removals) / 3 + (i < (STORM - removals) % 3);

		g[i] = gather(_metadata, pl, n, order[i], rec->way, params[i]);
		n = removals / 3 + (i < removals % 3);
		if (n)
			gone[i] = gather(_metadata, pl, n, order[i], REMOVAL, NULL);
	}
	for (i = 0; i < 3; i++) {
		release(_metadata, &g[i]);
		if (gone[i].n)
			release(_metadata, &gone[i]);
	}
	for (i = 0; i < 3; i++) {
		assert_answered(_metadata, pl, &g[i]);
		assert_answered(_metadata, pl, &gone[i]);
		wrong = g[i].n - count_err(&g[i], 0) - count_err(&g[i], EEXIST);
		/* Of a removal alone, a request may tell; see parallel_load. */
		if (removals)
			wrong = count_err(&g[i], EDEADLK);
		EXPECT_EQ(0, wrong)
			TH_LOG("%s %s: %s", order[i], params[i], answers(&g[i]));
	}
	ASSERT_TRUE(comes_true(pl, !find_asking(rec, NULL, 0)));
	expect_no_refusal(_metadata, rec);

	for (i = 0; i < 3; i++) {
		close(g[i].barrier);
		if (gone[i].n)
			close(gone[i].barrier);
	}
	clear_away(_metadata, pl, base);
}

static void storms(struct __test_metadata *_metadata, struct rec *rec,
		   int removals)
{
	size_t i;

	for (i = 0; i < 2 * ARRAY_SIZE(orders); i++) {
		set_deadline(&rec->pl, TEST_LIMIT);
		storm(_metadata, rec, orders[i / 2], i % 2, removals);
	}
}

TEST_F_TIMEOUT(acyclic, nobody_is_refused, 4 * HARNESS_LIMIT)
{
	struct rec *rec = &self->rec;

	if (rec->pl.cannot)
		SKIP(return, "%s", rec->pl.cannot);
	storms(_metadata, rec, 0);
}

TEST_F_TIMEOUT(acyclic, nobody_is_refused_amid_removals, 4 * HARNESS_LIMIT)
{
	struct rec *rec = &self->rec;

	if (rec->pl.cannot)
		SKIP(return, "%s", rec->pl.cannot);
	storms(_metadata, rec, REMOVALS);
}

/*
 * Three loads, each of which waits for the next by way of a helper, or by way of a
 * helper and a symbol, and whoever wants any of that as well: all of them sleep,
 * and each helper of the first waits for a load that waits for a helper too.
 */
struct chain {
	const char *name[3];	/* each by a load of its own, in a gate */
	const char *asked[2];	/* what the first and the second ask for */
};

static void sleep_in_chain(struct __test_metadata *_metadata, struct rec *rec,
			   const struct chain *chain, bool last_first)
{
	static const char * const wanted[] = {
		"pl_gate", "pl_gate2", "pl_gate3", "pl_user",
	};
	struct group g[3], more[ARRAY_SIZE(wanted)];
	struct pl *pl = &rec->pl;
	int i, wrong, base = pl->used;
	char params[64];

	forget(rec);
	for (i = 0; i < 3; i++) {
		snprintf(params, sizeof(params), "gate=%d ask=%s", i,
			 i < 2 ? chain->asked[i] : "");
		g[i] = gather(_metadata, pl, 1, chain->name[i], rec->way, params);
		assert_in_gate(_metadata, pl, &g[i], i);
		if (i < 2)
			plan(_metadata, rec, chain->asked[i], chain->asked[i],
			     "self", "");
	}
	for (i = 0; i < 2; i++) {
		int nr = last_first ? !i : i;

		ASSERT_TRUE(set_gate(nr, "open"));
		ASSERT_TRUE(comes_true(pl, helper_sleeps(rec, chain->asked[nr]) ||
				       count_told(rec, NULL, -1, NULL)));
		ASSERT_EQ(0, count_told(rec, NULL, -1, NULL))
			TH_LOG("%s, asked for by %s: %d x EDEADLK", chain->asked[nr],
			       chain->name[nr], count_told(rec, NULL, EDEADLK, NULL));
	}
	for (i = 0; i < (int)ARRAY_SIZE(wanted); i++) {
		more[i] = gather(_metadata, pl, STORM / ARRAY_SIZE(wanted), wanted[i],
				 rec->way, "");
		assert_asleep(_metadata, pl, &more[i]);
	}
	expect_no_refusal(_metadata, rec);
	EXPECT_EQ(0, count_answered(&g[0]) + count_answered(&g[1]));
	EXPECT_EQ(1, count_sleeping(rec, chain->asked[0]));
	EXPECT_EQ(1, count_sleeping(rec, chain->asked[1]));

	ASSERT_TRUE(set_gate(2, "open"));
	for (i = 0; i < 3; i++) {
		assert_answered(_metadata, pl, &g[i]);
		expect_all(_metadata, &g[i], 0);
		close(g[i].barrier);
	}
	for (i = 0; i < (int)ARRAY_SIZE(wanted); i++) {
		assert_answered(_metadata, pl, &more[i]);
		wrong = more[i].n - count_err(&more[i], 0) - count_err(&more[i], EEXIST);
		EXPECT_EQ(0, wrong)
			TH_LOG("%s: %s", wanted[i], answers(&more[i]));
		close(more[i].barrier);
	}
	ASSERT_TRUE(comes_true(pl, count_told(rec, NULL, -1, NULL) == 2));
	expect_no_refusal(_metadata, rec);
	clear_away(_metadata, pl, base);
}

TEST_F_TIMEOUT(acyclic, all_sleep_in_a_chain_and_nobody_is_refused, 2 * HARNESS_LIMIT)
{
	struct rec *rec = &self->rec;
	struct chain chain;
	size_t i;

	if (rec->pl.cannot)
		SKIP(return, "%s", rec->pl.cannot);

	for (i = 0; i < 2 * ARRAY_SIZE(orders); i++) {
		set_deadline(&rec->pl, TEST_LIMIT);
		memcpy(chain.name, orders[i / 2], sizeof(chain.name));
		memcpy(chain.asked, chain.name + 1, sizeof(chain.asked));
		sleep_in_chain(_metadata, rec, &chain, i % 2);
	}
}

/* What the first asks for is pl_user: its load, by the helper, waits for a symbol. */
TEST_F_TIMEOUT(acyclic, all_sleep_for_a_symbol_and_nobody_is_refused, HARNESS_LIMIT)
{
	static const struct chain chain = {
		{ "pl_gate2", "pl_gate", "pl_gate3" }, { "pl_user", "pl_gate3" },
	};
	struct rec *rec = &self->rec;
	int i;

	if (rec->pl.cannot)
		SKIP(return, "%s", rec->pl.cannot);

	for (i = 0; i < 2; i++) {
		set_deadline(&rec->pl, TEST_LIMIT);
		sleep_in_chain(_metadata, rec, &chain, i);
	}
}

/* A request waits for a symbol of a module that asks for others: no circle. */
TEST_F_TIMEOUT(acyclic, waiters_for_a_symbol_of_who_asks, HARNESS_LIMIT)
{
	struct rec *rec = &self->rec;
	struct pl *pl = &rec->pl;
	struct group first, rest, users;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	plan(_metadata, rec, "pl_gate2", "pl_gate2", "self", "ask=pl_gate3");
	plan(_metadata, rec, "pl_gate3", "pl_gate3", "self", "");
	users = gather(_metadata, pl, 32, "pl_user", rec->way, "");
	hold(_metadata, pl, 32, rec->way, "ask=pl_gate2", "ask=pl_gate2", &first,
	     &rest);
	assert_asleep(_metadata, pl, &users);
	ASSERT_TRUE(set_gate(0, "open"));
	assert_end(_metadata, rec, &first, &rest, 2);
	assert_end(_metadata, rec, &users, NULL, 2);

	expect_success(_metadata, &first, &rest);
	expect_success(_metadata, &users, NULL);
	expect_told(_metadata, rec, NULL, 2, 0);
	expect_no_refusal(_metadata, rec);
}

TEST_HARNESS_MAIN
