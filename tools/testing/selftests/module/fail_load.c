// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes of the requests for a module when one of them runs out of memory?
 *
 * By /proc/PID/fail-nth the kernel can be told to fail one allocation of a process,
 * the first from now on, or the second, and so on. Each test here does the same
 * again and again, with the next allocation failing each time, until there is
 * none left that could. That is a point each, and the number of them is printed.
 *
 * Each request has to get an answer, ENOMEM only those who have run out of memory
 * themselves; nobody is left on the list of loads, and the module can be loaded.
 *
 * Where the fault has to hit a request while others sleep for it, it sleeps as
 * well when it is told to fail: in a gate, for a symbol, or for a load which it
 * then takes over.
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
#include "pl_helper.h"

/* Seconds, for all requests of one point. */
#define POINT_LIMIT	60
#define LONG_LIMIT	(8 * HARNESS_LIMIT)

/* More than a call ever allocates: which one is to fail is said while it sleeps. */
#define FAIL_LATER	1000000000

#define WAITERS		3

/* The errno that an init function is told to answer with. */
#define REFUSAL		ENODEV
#define REFUSAL_PARAM	"ret=-19"

#define DEBUGFS		"/sys/kernel/debug"

#define COMPRESSION	"/sys/module/compression"

#ifndef MODULE_INIT_COMPRESSED_FILE
#define MODULE_INIT_COMPRESSED_FILE	4
#endif

/* All allocations, whatever their flags, without a word in the log for each. */
static struct knob {
	const char *path;
	const char *value;
	char before[16];
	bool spared;		/* for where there is none */
} knobs[] = {
	{ .path = DEBUGFS "/failslab/ignore-gfp-wait", .value = "N" },
	{ .path = DEBUGFS "/failslab/cache-filter", .value = "N" },
	{ .path = DEBUGFS "/failslab/verbose", .value = "0" },
	{ .path = DEBUGFS "/fail_page_alloc/ignore-gfp-wait", .value = "N" },
	{ .path = DEBUGFS "/fail_page_alloc/ignore-gfp-highmem", .value = "N" },
	{ .path = DEBUGFS "/fail_page_alloc/min-order", .value = "0" },
	{ .path = DEBUGFS "/fail_page_alloc/verbose", .value = "0" },
	/* Most of the time goes to grace periods, a few for each load that fails. */
	{ .path = "/sys/kernel/rcu_expedited", .value = "1", .spared = true },
};

/* A test that was killed has had no teardown. */
static __attribute__((constructor)) void note_knobs(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(knobs); i++)
		if (!read_file(knobs[i].path, knobs[i].before, sizeof(knobs[i].before)))
			knobs[i].before[0] = '\0';
}

static void restore_knobs(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(knobs); i++)
		if (knobs[i].before[0])
			write_file(knobs[i].path, knobs[i].before);
}

static __attribute__((destructor)) void leave_knobs(void)
{
	if (getpid() == first_process)
		restore_knobs();
}

/* Why this kernel cannot be told to fail, or NULL. */
static const char *set_knobs(void)
{
	static char why[128];
	size_t i;

	if (access("/proc/self/fail-nth", W_OK))
		return "no /proc/self/fail-nth: needs CONFIG_FAULT_INJECTION";
	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		if (!write_file(knobs[i].path, knobs[i].value) && !knobs[i].spared) {
			snprintf(why, sizeof(why),
				 "no %s: needs debugfs, CONFIG_FAILSLAB and FAIL_PAGE_ALLOC",
				 knobs[i].path);
			return why;
		}
	}
	return NULL;
}

/* Points */

/* From now on, until the next one. */
static void start_point(struct pl *pl)
{
	set_deadline(pl, POINT_LIMIT);
}

/* Those in @g are asleep: allocation number @nth after that is the one to fail. */
static void fail_when_awake(struct __test_metadata *_metadata,
			    const struct group *g, unsigned int nth)
{
	int i, fd;

	for (i = 0; i < g->n; i++) {
		fd = open_fail_nth(g->req[i].pid);
		ASSERT_LE(0, fd);
		ASSERT_TRUE(set_fail_nth(fd, nth));
		close(fd);
	}
}

/* Has the one in @g, which is asleep, come to the allocation that fails? */
static bool is_faulted_asleep(struct __test_metadata *_metadata,
			      const struct group *g)
{
	unsigned int left;
	int fd;

	fd = open_fail_nth(g->req[0].pid);
	ASSERT_LE(0, fd);
	left = get_fail_nth(fd);
	close(fd);
	return !left;
}

static int count_faulted(const struct group *g)
{
	int i, n = 0;

	for (i = 0; i < g->n; i++)
		n += g->req[i].faulted;
	return n;
}

/* How many got ENOMEM because they had run out of memory themselves? */
static int count_enomem(const struct group *g)
{
	int i, n = 0;

	for (i = 0; i < g->n; i++)
		n += g->req[i].answered && g->req[i].err == ENOMEM &&
		     g->req[i].faulted;
	return n;
}

/*
 * The requests in @a and @b, unless that is NULL, are all there were for @name: one
 * has loaded it, and the others found it live or ran out of memory. Or all
 * have run out of memory, and it is not loaded.
 */
static void assert_loaded_once(struct __test_metadata *_metadata, const char *name,
			       unsigned int nth, const struct group *a,
			       const struct group *b)
{
	static const struct group nobody;
	int n, zeros, eexists, enomems;

	if (!b)
		b = &nobody;
	n = a->n + b->n;
	zeros = count_err(a, 0) + count_err(b, 0);
	eexists = count_err(a, EEXIST) + count_err(b, EEXIST);
	enomems = count_enomem(a) + count_enomem(b);

	ASSERT_TRUE(zeros + eexists + enomems == n &&
		    zeros == is_loaded(name) && zeros == (enomems < n)) {
		TH_LOG("%s, allocation %u failed, %d ran out of memory", name, nth,
		       count_faulted(a) + count_faulted(b));
		TH_LOG("got: %s", answers(a));
		if (b->n)
			TH_LOG("and: %s", answers(b));
		TH_LOG("%s is %sloaded", name, is_loaded(name) ? "" : "not ");
	}
}

/* All of @g got @err, but for those who ran out of memory. */
static void assert_err_or_enomem(struct __test_metadata *_metadata,
				 unsigned int nth, const struct group *g, int err)
{
	ASSERT_EQ(g->n, count_err(g, err) + count_enomem(g)) {
		TH_LOG("allocation %u failed, %d ran out of memory", nth,
		       count_faulted(g));
		TH_LOG("wanted: %s or else ENOMEM, got: %s", errno_name(err),
		       answers(g));
	}
}

/* Nobody is at any work, and nothing is there that @pl has loaded. */
static void end_point(struct __test_metadata *_metadata, struct pl *pl)
{
	static const char * const names[] = { "pl_user", "pl_gate", "pl_gate2" };
	size_t i;

	ASSERT_TRUE(comes_true(pl, count_loads("") <= 0))
		TH_LOG("%d loads are still on the list", count_loads(""));
	forget_requests(_metadata, pl, 0);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		ASSERT_TRUE(comes_true(pl, !is_loaded(names[i]) || !unload(names[i])))
			TH_LOG("%s is still loaded", names[i]);
	ASSERT_EQ(0, references(CTL));
}

static void drop(const struct group *g)
{
	close(g->barrier);
}

static void tell_points(int n)
{
	fprintf(TH_LOG_STREAM, "# points tried: %d\n", n);
}

/* The next load works, as if nothing had been. */
static void assert_next_load(struct __test_metadata *_metadata, struct pl *pl,
			     const struct demand *like)
{
	struct demand d = *like;
	struct group g;

	start_point(pl);
	d.fail_nth = 0;
	d.params = "";
	g = gather_for(_metadata, pl, WAITERS, &d);
	release(_metadata, &g);
	assert_answered(_metadata, pl, &g);
	expect_success(_metadata, &g, NULL);
	drop(&g);
	end_point(_metadata, pl);
}

static void setup_faults(struct __test_metadata *_metadata, struct pl *pl)
{
	setup(_metadata, pl);
	if (!pl->cannot)
		pl->cannot = set_knobs();
}

/* It is about to sleep for a load, or takes over after that. */
FIXTURE(fail) {
	struct pl pl;
	struct demand d;
};

FIXTURE_VARIANT(fail) {
	enum way way;
	bool compressed;
};

FIXTURE_VARIANT_ADD(fail, init_module) { .way = INIT_MODULE };
FIXTURE_VARIANT_ADD(fail, one_file) { .way = ONE_FILE };
FIXTURE_VARIANT_ADD(fail, copies) { .way = COPIES };
FIXTURE_VARIANT_ADD(fail, one_compressed_file) {
	.way = ONE_FILE, .compressed = true,
};

/* pl_gate in the file that is beside it, for the kernel to decompress. */
static const struct image *get_compressed(struct __test_metadata *_metadata,
					  struct pl *pl)
{
	char path[PATH_MAX + 64], how[16];
	struct image *image;
	struct stat st;
	int fd;

	if (!read_file(COMPRESSION, how, sizeof(how))) {
		pl->cannot = "no " COMPRESSION ": needs CONFIG_MODULE_DECOMPRESS";
		return NULL;
	}
	snprintf(path, sizeof(path), "%s/pl_gate.ko.%s", pl->dir,
		 !strcmp(how, "gzip") ? "gz" : !strcmp(how, "zstd") ? "zst" : how);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		pl->cannot = "no compressed pl_gate.ko in test_modules";
		return NULL;
	}
	image = make_image(pl, "pl_gate");
	ASSERT_NE(NULL, image);
	ASSERT_EQ(0, fstat(fd, &st));
	ASSERT_GT((off_t)image->len, st.st_size);
	image->len = st.st_size;
	ASSERT_EQ(st.st_size, read(fd, image->data, image->len));
	close(fd);
	ASSERT_TRUE(give_file(image));
	return image;
}

FIXTURE_SETUP(fail)
{
	struct pl *pl = &self->pl;

	setup_faults(_metadata, pl);
	if (pl->cannot)
		return;
	self->d.way = variant->way;
	self->d.image = get_image(pl, "pl_gate");
	if (variant->compressed) {
		self->d.flags = MODULE_INIT_COMPRESSED_FILE;
		self->d.image = get_compressed(_metadata, pl);
	}
}

FIXTURE_TEARDOWN(fail)
{
	restore_knobs();
	teardown(_metadata, &self->pl);
}

/* A demand like @d, with these parameters, and a fault. */
static struct demand ask_for(const struct demand *d, const char *params,
			     unsigned int fail_nth)
{
	struct demand copy = *d;

	copy.params = params;
	copy.fail_nth = fail_nth;
	return copy;
}

/*
 * One load stands in its gate, and @rest sleep for it. It is refused, for which the
 * others have other parameters, and one after the other takes over, with the
 * rest asleep for it in turn, until its allocation number @nth fails.
 */
static int fail_takeover(struct __test_metadata *_metadata, struct pl *pl,
			 const struct demand *d, unsigned int nth)
{
	const struct demand one = ask_for(d, "gate=0 " REFUSAL_PARAM, 0);
	const struct demand others = ask_for(d, "gate=1", FAIL_LATER);
	struct group first, rest;
	int faulted;

	start_point(pl);
	first = gather_for(_metadata, pl, 1, &one);
	rest = gather_for(_metadata, pl, WAITERS, &others);
	assert_in_gate(_metadata, pl, &first, 0);
	assert_asleep(_metadata, pl, &rest);
	fail_when_awake(_metadata, &rest, nth);
	let_go(_metadata, pl, &first, &rest);

	expect_all(_metadata, &first, REFUSAL);
	assert_loaded_once(_metadata, d->image->name, nth, &rest, NULL);
	faulted = count_faulted(&rest);
	drop(&first);
	drop(&rest);
	end_point(_metadata, pl);
	return faulted;
}

/* All of a load but what comes before the sleep, for which see below. */
TEST_F_TIMEOUT(fail, takeover_fails_for_itself_alone, LONG_LIMIT)
{
	struct pl *pl = &self->pl;
	unsigned int nth = 1;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	while (fail_takeover(_metadata, pl, &self->d, nth))
		nth++;
	tell_points(nth - 1);
	assert_next_load(_metadata, pl, &self->d);
}

/*
 * Before it sleeps, for a load that stands in its gate: @rest sleep for that as
 * well, and do not notice.
 */
TEST_F_TIMEOUT(fail, waiter_fails_before_it_sleeps, LONG_LIMIT)
{
	const struct demand clean = ask_for(&self->d, "gate=0", 0);
	struct group first, rest, one;
	struct pl *pl = &self->pl;
	struct demand d;
	unsigned int nth;
	bool asleep;
	int tried;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	first = gather_for(_metadata, pl, 1, &clean);
	rest = gather_for(_metadata, pl, WAITERS, &clean);
	assert_in_gate(_metadata, pl, &first, 0);
	assert_asleep(_metadata, pl, &rest);
	for (nth = 1, tried = 0;; nth++) {
		start_point(pl);
		d = ask_for(&self->d, "gate=0", nth);
		one = gather_for(_metadata, pl, 1, &d);
		release(_metadata, &one);
		asleep = all_fall_asleep(pl, &one);
		ASSERT_TRUE(all_fall_asleep(pl, &rest))
			TH_LOG("allocation %u failed: %s", nth, answers(&rest));
		ASSERT_EQ(0, count_answered(&first));
		if (asleep && !is_faulted_asleep(_metadata, &one))
			break;
		tried++;
		if (asleep) {
			ASSERT_TRUE(kill_and_reap(pl, &one.req[0]));
		} else {
			ASSERT_EQ(1, count_enomem(&one))
				TH_LOG("allocation %u failed: %s", nth, answers(&one));
		}
		forget_requests(_metadata, pl, 1 + WAITERS);
		drop(&one);
	}
	start_point(pl);
	let_go(_metadata, pl, &first, &rest);
	assert_answered(_metadata, pl, &one);
	expect_success(_metadata, &first, &rest);
	expect_all(_metadata, &one, EEXIST);
	EXPECT_EQ(1, read_gate(0).entered);
	forget_requests(_metadata, pl, 0);
	drop(&one);

	/* And if it finds the module live. */
	for (nth = 1;; nth++, tried++) {
		start_point(pl);
		d = ask_for(&self->d, "gate=0", nth);
		one = gather_for(_metadata, pl, 1, &d);
		release(_metadata, &one);
		assert_answered(_metadata, pl, &one);
		assert_err_or_enomem(_metadata, nth, &one, EEXIST);
		if (!count_faulted(&one))
			break;
		forget_requests(_metadata, pl, 0);
		drop(&one);
	}
	tell_points(tried);
	end_point(_metadata, pl);
	assert_next_load(_metadata, pl, &self->d);
}

/* It is in the middle of its load, with others asleep, or of a removal. */
FIXTURE(fail_amid) {
	struct pl pl;
	struct demand d;
};

FIXTURE_VARIANT(fail_amid) {
	enum way way;
};

FIXTURE_VARIANT_ADD(fail_amid, init_module) { .way = INIT_MODULE };
FIXTURE_VARIANT_ADD(fail_amid, one_file) { .way = ONE_FILE };
FIXTURE_VARIANT_ADD(fail_amid, copies) { .way = COPIES };

FIXTURE_SETUP(fail_amid)
{
	struct pl *pl = &self->pl;

	setup_faults(_metadata, pl);
	if (pl->cannot)
		return;
	self->d.way = variant->way;
	self->d.image = get_image(pl, "pl_gate");
}

FIXTURE_TEARDOWN(fail_amid)
{
	restore_knobs();
	teardown(_metadata, &self->pl);
}

/* The first stands in its gate, and is to fail after that; @rest sleep for it. */
static int fail_after_gate(struct __test_metadata *_metadata, struct pl *pl,
			   const struct demand *d, const char *params,
			   unsigned int nth, struct group *first, struct group *rest)
{
	const struct demand one = ask_for(d, params, FAIL_LATER);
	const struct demand others = ask_for(d, params, 0);

	start_point(pl);
	*first = gather_for(_metadata, pl, 1, &one);
	*rest = gather_for(_metadata, pl, WAITERS, &others);
	assert_in_gate(_metadata, pl, first, 0);
	assert_asleep(_metadata, pl, rest);
	fail_when_awake(_metadata, first, nth);
	let_go(_metadata, pl, first, rest);
	return count_faulted(first);
}

TEST_F_TIMEOUT(fail_amid, load_fails_after_init, LONG_LIMIT)
{
	struct pl *pl = &self->pl;
	struct group first, rest;
	unsigned int nth;
	int faulted;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	for (nth = 1, faulted = 1; faulted; nth++) {
		faulted = fail_after_gate(_metadata, pl, &self->d, "gate=0", nth,
					  &first, &rest);
		assert_loaded_once(_metadata, "pl_gate", nth, &first, &rest);
		drop(&first);
		drop(&rest);
		end_point(_metadata, pl);
	}
	tell_points(nth - 2);
	assert_next_load(_metadata, pl, &self->d);
}

TEST_F_TIMEOUT(fail_amid, load_fails_after_init_has_refused, LONG_LIMIT)
{
	const char *params = "gate=0 " REFUSAL_PARAM;
	struct pl *pl = &self->pl;
	struct group first, rest;
	unsigned int nth;
	int faulted;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	for (nth = 1, faulted = 1; faulted; nth++) {
		faulted = fail_after_gate(_metadata, pl, &self->d, params, nth,
					  &first, &rest);
		assert_err_or_enomem(_metadata, nth, &first, REFUSAL);
		assert_err_or_enomem(_metadata, nth, &rest, REFUSAL);
		drop(&first);
		drop(&rest);
		end_point(_metadata, pl);
	}
	tell_points(nth - 2);
	assert_next_load(_metadata, pl, &self->d);
	if (nth == 2)
		SKIP(return, "nothing is allocated after a refusal");
}

/*
 * pl_gate stands in its gate, one load waits for a symbol of it, and is to fail
 * after that; others sleep for that load, with no fault of their own.
 */
static int fail_after_symbol(struct __test_metadata *_metadata, struct pl *pl,
			     const struct demand *d, unsigned int nth,
			     struct group *first, struct group *rest)
{
	const struct demand one = ask_for(d, "", FAIL_LATER);
	const struct demand others = ask_for(d, "", 0);
	struct group owner;
	int faulted;

	start_point(pl);
	owner = gather(_metadata, pl, 1, "pl_gate", INIT_MODULE, "gate=0");
	*first = gather_for(_metadata, pl, 1, &one);
	*rest = gather_for(_metadata, pl, WAITERS, &others);
	assert_in_gate(_metadata, pl, &owner, 0);
	assert_asleep(_metadata, pl, first);
	assert_asleep(_metadata, pl, rest);
	fail_when_awake(_metadata, first, nth);
	let_go(_metadata, pl, &owner, first);
	assert_answered(_metadata, pl, rest);
	expect_all(_metadata, &owner, 0);
	faulted = count_faulted(first);
	drop(&owner);
	drop(first);
	drop(rest);
	return faulted;
}

TEST_F_TIMEOUT(fail_amid, broken_load_fails_with_others_asleep, LONG_LIMIT)
{
	struct pl *pl = &self->pl;
	struct group first, rest;
	unsigned int nth;
	int faulted;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	self->d.image = make_broken_user(pl);
	ASSERT_NE(NULL, self->d.image);
	for (nth = 1, faulted = 1; faulted; nth++) {
		faulted = fail_after_symbol(_metadata, pl, &self->d, nth, &first,
					    &rest);
		assert_err_or_enomem(_metadata, nth, &first, ENOENT);
		assert_err_or_enomem(_metadata, nth, &rest, ENOENT);
		end_point(_metadata, pl);
	}
	tell_points(nth - 2);
}

/* A removal that fails before the module goes, and one that does after. */
TEST_F_TIMEOUT(fail_amid, removal_fails_or_is_done, LONG_LIMIT)
{
	const struct demand good = ask_for(&self->d, "gate=1 exit_gate=0", 0);
	const struct demand others = ask_for(&self->d, "gate=1", 0);
	struct demand d = { .image = self->d.image, .way = REMOVAL };
	struct group loader, removal, rest;
	struct pl *pl = &self->pl;
	unsigned int nth;
	int tried = 0;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	for (nth = 1;; nth++, tried++) {
		start_point(pl);
		loader = gather_for(_metadata, pl, 1, &good);
		release(_metadata, &loader);
		assert_answered(_metadata, pl, &loader);
		ASSERT_TRUE(is_loaded("pl_gate"));

		d.fail_nth = nth;
		removal = gather_for(_metadata, pl, 1, &d);
		rest = gather_for(_metadata, pl, WAITERS, &others);
		ASSERT_TRUE(set_gate(0, "reset"));
		ASSERT_TRUE(set_gate(0, "close"));
		release(_metadata, &removal);
		ASSERT_TRUE(comes_true(pl, read_gate(0).inside ||
				       all_answered(&removal)));
		if (read_gate(0).inside)
			assert_asleep(_metadata, pl, &rest);
		else
			release(_metadata, &rest);
		let_go(_metadata, pl, &removal, &rest);

		assert_err_or_enomem(_metadata, nth, &removal, 0);
		if (removal.req[0].err)
			assert_err_or_enomem(_metadata, nth, &rest, EEXIST);
		else
			assert_loaded_once(_metadata, "pl_gate", nth, &rest, NULL);
		drop(&loader);
		drop(&removal);
		drop(&rest);
		if (!count_faulted(&removal))
			break;
		end_point(_metadata, pl);
	}
	end_point(_metadata, pl);
	tell_points(tried);
}

/*
 * One request alone is to fail, from the first symbol on, and the others for the file
 * have no fault of their own. Not in all ways: fail_takeover() has the same
 * allocations fail in each.
 */
FIXTURE(fail_alone) {
	struct pl pl;
	struct demand d;
};

FIXTURE_SETUP(fail_alone)
{
	setup_faults(_metadata, &self->pl);
	self->d.way = ONE_FILE;
}

FIXTURE_TEARDOWN(fail_alone)
{
	restore_knobs();
	teardown(_metadata, &self->pl);
}

TEST_F_TIMEOUT(fail_alone, load_fails_with_others_asleep, LONG_LIMIT)
{
	struct pl *pl = &self->pl;
	struct group first, rest;
	unsigned int nth;
	int faulted;

	if (pl->cannot)
		SKIP(return, "%s", pl->cannot);

	self->d.image = get_image(pl, "pl_user");
	for (nth = 1, faulted = 1; faulted; nth++) {
		faulted = fail_after_symbol(_metadata, pl, &self->d, nth, &first,
					    &rest);
		assert_loaded_once(_metadata, "pl_user", nth, &first, &rest);
		ASSERT_TRUE(is_loaded("pl_user"));
		end_point(_metadata, pl);
	}
	tell_points(nth - 2);
}

/* The init function asks for a module, and that fails. */
FIXTURE(fail_to_ask) {
	struct rec rec;
	struct demand d;
};

FIXTURE_VARIANT(fail_to_ask) {
	enum way way;
	const char *helps;
};

FIXTURE_VARIANT_ADD(fail_to_ask, init_module) {
	.way = INIT_MODULE, .helps = "init_module",
};

FIXTURE_VARIANT_ADD(fail_to_ask, one_file) {
	.way = ONE_FILE, .helps = "finit_module",
};

FIXTURE_SETUP(fail_to_ask)
{
	struct rec *rec = &self->rec;

	rec->way = variant->way;
	rec->helps = variant->helps;
	setup_helper(_metadata, rec);
	if (!rec->pl.cannot)
		rec->pl.cannot = set_knobs();
	if (rec->pl.cannot)
		return;
	self->d.way = variant->way;
	self->d.image = get_image(&rec->pl, "pl_gate");
}

FIXTURE_TEARDOWN(fail_to_ask)
{
	restore_knobs();
	teardown_helper(_metadata, &self->rec);
}

/* The helper is told to load @name, and gets @err or has never been run. */
static void ask_and_fail(struct __test_metadata *_metadata, struct rec *rec,
			 const struct demand *d, const char *name, int err)
{
	struct pl *pl = &rec->pl;
	struct group first, rest;
	int faulted = 1, told;
	unsigned int nth;
	char params[64];

	snprintf(params, sizeof(params), "gate=0 ask=%s", name);
	for (nth = 1; faulted; nth++) {
		forget(rec);
		plan(_metadata, rec, name, name, "self", "");
		faulted = fail_after_gate(_metadata, pl, d, params, nth, &first,
					  &rest);
		ASSERT_TRUE(comes_true(pl, !find_asking(rec, NULL, 0)));
		expect_success(_metadata, &first, &rest);
		ASSERT_EQ(1, count_err(&first, 0));
		told = count_told(rec, NULL, -1, NULL);
		ASSERT_EQ(told, count_told(rec, name, err, NULL));
		ASSERT_TRUE(told == 1 || (faulted && !told))
			TH_LOG("allocation %u failed, the helper told %d times", nth,
			       told);
		drop(&first);
		drop(&rest);
		end_point(_metadata, pl);
	}
	tell_points(nth - 2);
}

TEST_F_TIMEOUT(fail_to_ask, for_another_module, LONG_LIMIT)
{
	if (self->rec.pl.cannot)
		SKIP(return, "%s", self->rec.pl.cannot);
	ask_and_fail(_metadata, &self->rec, &self->d, "pl_gate2", 0);
}

TEST_F_TIMEOUT(fail_to_ask, for_the_module_itself, LONG_LIMIT)
{
	if (self->rec.pl.cannot)
		SKIP(return, "%s", self->rec.pl.cannot);
	ask_and_fail(_metadata, &self->rec, &self->d, "pl_gate", EDEADLK);
}

TEST_HARNESS_MAIN
