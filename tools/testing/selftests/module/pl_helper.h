/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pl_modprobe in the place of the helper that request_module() runs: what it is
 * to do, and what it tells. A part of each program that includes it, like
 * pl_request.h.
 */
#ifndef PL_HELPER_H
#define PL_HELPER_H

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pl_request.h"

#define MODPROBE_PATH	"/proc/sys/kernel/modprobe"

static char modprobe_path[PATH_MAX];

/* A test that was killed has had no teardown. */
static __attribute__((constructor)) void note_modprobe_path(void)
{
	if (!read_file(MODPROBE_PATH, modprobe_path, sizeof(modprobe_path)))
		modprobe_path[0] = '\0';
}

static void restore_modprobe_path(void)
{
	if (modprobe_path[0])
		write_file(MODPROBE_PATH, modprobe_path);
}

static pid_t first_process;

static __attribute__((constructor)) void note_first_process(void)
{
	first_process = getpid();
}

static __attribute__((destructor)) void leave_modprobe_path(void)
{
	if (getpid() == first_process)
		restore_modprobe_path();
}

/* The state of one test. */
struct rec {
	struct pl pl;
	enum way way;		/* how this program asks */
	const char *helps;	/* how the helper does */
	char dir[64];		/* the helper's */
	struct kernel_log log;
	long long refused;	/* "Recursions refused" before */
	char report_secs[16];	/* as it was, if a test has changed it, or "" */
};

/* The helper */

static void path_in(const struct rec *rec, const char *file, char *path,
		    size_t size)
{
	snprintf(path, size, "%s/%s", rec->dir, file);
}

/* What to do for @name: see pl_modprobe.c. */
static void plan(struct __test_metadata *_metadata, const struct rec *rec,
		 const char *name, const char *module, const char *how,
		 const char *params)
{
	char path[128];
	FILE *f;

	path_in(rec, "plan", path, sizeof(path));
	f = fopen(path, "ae");
	ASSERT_NE(NULL, f);
	fprintf(f, "%s %s/%s.ko %s %s %s\n", name, rec->pl.dir, module,
		rec->helps, how, params);
	ASSERT_EQ(0, fclose(f));
}

static void forget(const struct rec *rec)
{
	char path[128];

	path_in(rec, "plan", path, sizeof(path));
	unlink(path);
	path_in(rec, "log", path, sizeof(path));
	unlink(path);
}

/*
 * What the helpers have told: how many answers there were to requests for @name,
 * or for any if that is NULL, and how many of these were @err, or any if that
 * is negative. The pid of the last of them goes to *@pid.
 */
static int count_told(const struct rec *rec, const char *name, int err,
		      pid_t *pid)
{
	char path[128], line[256], told_name[64];
	int told_pid, told_err, n = 0;
	FILE *f;

	path_in(rec, "log", path, sizeof(path));
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "got %d %63s %d", &told_pid, told_name,
			   &told_err) != 3)
			continue;
		if ((name && strcmp(name, told_name)) ||
		    (err >= 0 && err != told_err))
			continue;
		if (pid)
			*pid = told_pid;
		n++;
	}
	fclose(f);
	return n;
}

/*
 * The one number @nth, from 0, of those who have been asked for @name, or for any,
 * and have not answered, or 0.
 */
static pid_t find_asking(const struct rec *rec, const char *name, int nth)
{
	char path[128], line[256], told_name[64], got[32];
	static char text[65536];
	char *pos;
	int pid;

	path_in(rec, "log", path, sizeof(path));
	if (!read_file(path, text, sizeof(text)))
		return 0;
	for (pos = text; *pos; pos += strcspn(pos, "\n"), pos += *pos == '\n') {
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(pos, "\n"), pos);
		if (sscanf(line, "asks %d %63s", &pid, told_name) != 2 ||
		    (name && strcmp(name, told_name)))
			continue;
		snprintf(got, sizeof(got), "got %d ", pid);
		if (!strstr(text, got) && !strchr("?XZ", task_state(pid)) && !nth--)
			return pid;
	}
	return 0;
}

/* How many helpers that were asked for @name are asleep in their system calls? */
static int count_sleeping(const struct rec *rec, const char *name)
{
	bool by_file = strcmp(rec->helps, "init_module");
	long nr = by_file ? __NR_finit_module : __NR_init_module;
	int i, n = 0;
	pid_t pid;

	for (i = 0; (pid = find_asking(rec, name, i)); i++)
		n += in_syscall(pid, nr) && task_state(pid) == 'S' &&
		     in_syscall(pid, nr);
	return n;
}

static bool helper_sleeps(const struct rec *rec, const char *name)
{
	return count_sleeping(rec, name) == 1;
}

/* Is none left? */
static bool kill_helpers(const struct rec *rec)
{
	pid_t pid = find_asking(rec, NULL, 0);

	if (pid)
		kill(pid, SIGKILL);
	return !pid;
}

/* Setup and teardown */

static void setup_helper(struct __test_metadata *_metadata, struct rec *rec)
{
	char self[PATH_MAX - 16], path[128];
	ssize_t len;

	restore_modprobe_path();
	setup(_metadata, &rec->pl);
	if (rec->pl.cannot)
		return;
	if (!modprobe_path[0]) {
		rec->pl.cannot = "no " MODPROBE_PATH ": needs a /proc with sysctls";
		return;
	}
	if (!follow_log(&rec->log)) {
		rec->pl.cannot = "no /dev/kmsg to read the kernel's log from";
		return;
	}

	rec->refused = read_stat("Recursions refused");
	len = readlink("/proc/self/exe", self, sizeof(self) - 16);
	ASSERT_LT(0, len);
	self[len] = '\0';
	snprintf(strrchr(self, '/'), 16, "/pl_modprobe");
	if (access(self, X_OK)) {
		rec->pl.cannot = "no pl_modprobe beside this program: build it";
		return;
	}
	snprintf(rec->dir, sizeof(rec->dir), "/tmp/pl_modprobe.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(rec->dir));
	path_in(rec, "modprobe", path, sizeof(path));
	ASSERT_EQ(0, symlink(self, path));
	ASSERT_TRUE(write_file(MODPROBE_PATH, path));
}

static void teardown_helper(struct __test_metadata *_metadata, struct rec *rec)
{
	char path[128];

	restore_modprobe_path();
	if (rec->report_secs[0])
		write_file(REPORT_SECS, rec->report_secs);
	if (rec->dir[0]) {
		set_deadline(&rec->pl, TEARDOWN_LIMIT);
		EXPECT_TRUE(comes_true(&rec->pl, kill_helpers(rec)));
	}
	teardown(_metadata, &rec->pl);
	if (rec->dir[0]) {
		/* One more may have been on its way. */
		EXPECT_TRUE(comes_true(&rec->pl, kill_helpers(rec)));
		forget(rec);
		path_in(rec, "modprobe", path, sizeof(path));
		unlink(path);
		rmdir(rec->dir);
	}
}

static void expect_told(struct __test_metadata *_metadata,
			const struct rec *rec, const char *name, int n, int err)
{
	EXPECT_EQ(n, count_told(rec, name, err, NULL))
		TH_LOG("requests of helpers for %s that got %s", name ?: "anything",
		       errno_name(err));
}

#endif /* PL_HELPER_H */
