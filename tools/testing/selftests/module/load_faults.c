// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test requests in which an allocation fails.
 *
 * A request waits for a load whose init function fails, and two others wait behind it. The
 * request takes over when the load has failed. Its Nth allocation fails, before or after that.
 * The request gets -ENOMEM, or the kernel does without the memory. In both cases one of the three
 * requests loads the module. There is a round for each N up to the number of allocations. An
 * argument selects tests by name.
 */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "modload.h"

#define LIMIT		60	/* seconds */
#define FAIL_NTH	"/proc/self/fail-nth"
#define FAILSLAB	"/sys/kernel/debug/failslab/"
#define FAIL_PAGES	"/sys/kernel/debug/fail_page_alloc/"

/* Make a request whose allocation @nth fails. Set @noticed if it was not reached. */
static void make_faulty_request(struct request *req, const struct call *call, char way, int nth)
{
	const struct image *image = get_image(call);
	int fd = open(FAIL_NTH, O_RDWR), err;
	char text[16] = "";

	snprintf(text, sizeof(text), "%d", nth);
	if (write(fd, text, strlen(text)) < 0)
		_exit(1);
	if (call->remove)
		err = unload(image->name);
	else if (way == 'i')
		err = load(image, call->args);
	else
		err = syscall(__NR_finit_module, image->fd, call->args, 0) ? errno : 0;
	memset(text, 0, sizeof(text));
	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		_exit(1);
	req->noticed = atoi(text);
	req->err = err;
	_exit(0);
}

static struct group start_faulty(const struct call *call, char way, int nth)
{
	struct group g = { requests + nr_requests++, 1 };
	pid_t pid, self = getpid();

	get_image(call);
	*g.req = (struct request){ .err = WAITING, .switches = -1 };
	g.req->nr = call->remove ? __NR_delete_module :
		    way == 'i' ? __NR_init_module : __NR_finit_module;
	pid = fork();
	if (!pid) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != self)
			_exit(1);
		make_faulty_request(g.req, call, way, nth);
	}
	g.req->pid = pid;
	return g;
}

/* Return false and print the results if they are wrong. */
static bool check_round(int nth, const struct group *faulty, const struct group *others)
{
	int err = faulty->req->err;

	if ((!err || (err == ENOMEM && count_err(others, 0) == 1)) &&
	    count_err(others, EEXIST) == others->n - !!err)
		return true;
	ksft_print_msg("allocation %d: got %s, others: %s\n", nth, errno_name(err),
		       results(others));
	return false;
}

/* Let each allocation of a request fail. Return false if a result is wrong. */
static bool run_test(char way)
{
	const struct call fails = { "gate", .args = "ret=-19" };
	const struct call faulty_call = { "gate", .args = "tag=1", .remove = way == 'r' };
	const struct call call = { "gate", .args = "tag=1" };
	struct group first, faulty, others = {};
	bool ok = true, reached = true;
	int nth;

	start(&call, 'i', 0, NULL);
	for (nth = 1; ok && reached; nth++) {
		set_deadline(LIMIT);
		set_gate("reset", 0);
		if (way == 'r') {
			ok &= !load(get_image(&call), "");
		} else {
			set_gate("close", GATE_INIT);
			first = start(&fails, 'i', 1, NULL);
			ok &= wait_for(read_gate(GATE_INIT, true));
		}
		faulty = start_faulty(&faulty_call, way, nth);
		if (way != 'r') {
			all_asleep(&faulty);
			others = start(&call, way, 2, NULL);
			ok &= all_asleep(&others);
			set_gate("open", GATE_INIT);
			ok &= wait_for(!count_waiting(&first)) && first.req->err == ENODEV;
		}
		ok &= wait_for(!count_waiting(&faulty) && !count_waiting(&others));
		ok &= check_round(nth, &faulty, &others);
		reached = !faulty.req->noticed;
		if (!end_requests())
			ksft_exit_fail_msg("a process cannot be killed\n");
		unload(PREFIX "gate");
	}
	ksft_print_msg("%d allocations\n", nth - 2);
	return ok && nth > 2;
}

int main(int argc, char **argv)
{
	static const char * const names[] = { "init", "file", "copy", "removal" };
	struct call ctl = { "ctl" };
	const char *select = argv[1] ?: "";
	unsigned int i, n = 0;

	ksft_print_header();
	if (access(FAIL_NTH, F_OK) || access(FAILSLAB, F_OK))
		ksft_exit_skip("no failslab in debugfs\n");
	if (!get_image(&ctl) || load(get_image(&ctl), ""))
		ksft_exit_skip("test_modload_ctl: not loaded: %s\n", strerror(errno));

	write_file(FAILSLAB "ignore-gfp-wait", "N");
	write_file(FAILSLAB "verbose", "0");
	write_file(FAIL_PAGES "ignore-gfp-wait", "N");
	write_file(FAIL_PAGES "min-order", "0");
	write_file(FAIL_PAGES "verbose", "0");
	for (i = 0; i < ARRAY_SIZE(names); i++)
		n += !!strstr(names[i], select);
	ksft_set_plan(n);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (strstr(names[i], select))
			ksft_test_result(run_test(names[i][0]), "%s\n", names[i]);
	unload(PREFIX "ctl");
	ksft_finished();
}
