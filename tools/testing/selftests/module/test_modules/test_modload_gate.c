// SPDX-License-Identifier: GPL-2.0-only
/* A module that stops at gates of test_modload_ctl and fails on request. */
#include <linux/async.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/workqueue.h>

#include "test_modload.h"

static int tag;			/* makes parameter strings differ */
static int ret;			/* init returns it, */
static int fails = INT_MAX;	/* but only the first so many inits */
static bool async;		/* init leaves a part of its work to async_schedule() */
static int exit_ms;		/* exit waits for a timer, */
static char *exit_ask = "";	/* and for work that requests the module named here */
static char *oops = "";		/* after the gate in param, init or exit */
module_param(tag, int, 0);
module_param(ret, int, 0);
module_param(fails, int, 0);
module_param(async, bool, 0);
module_param(exit_ms, int, 0);
module_param(exit_ask, charp, 0);
module_param(oops, charp, 0);

static int gate = GATE_INIT;	/* init stops at this gate first */
static char *ask = "";		/* then init requests the module named here, */
static bool nowait;		/* by request_module_nowait() if true, */
static int then = -1;		/* and stops at this gate, if any */
static char *live_ask = "";	/* a notifier requests this name when the module is live */
static char *exit_request = "";	/* the exit function requests this name */
module_param(gate, int, 0);
module_param(ask, charp, 0);
module_param(nowait, bool, 0);
module_param(then, int, 0);
module_param(live_ask, charp, 0);
module_param(exit_request, charp, 0);

static int pass_or_oops(enum test_modload_gate nr, const char *where)
{
	int err = test_modload_pass(nr);

	if (err > 0 && !strcmp(oops, where))
		WRITE_ONCE(*(int *)NULL, 0);
	return err;
}

/* Stop at a gate. If the value is negative, the first @fails loads fail with it. */
static int hold_set(const char *val, const struct kernel_param *kp)
{
	int nr = pass_or_oops(GATE_PARAM, "param"), err;

	if (nr < 0 || nr > fails)
		return min(nr, 0);
	return kstrtoint(val, 0, &err) ?: min(err, 0);
}

static const struct kernel_param_ops hold_ops = { .set = hold_set };
module_param_cb(hold, &hold_ops, NULL, 0);

static void async_part(void *unused, async_cookie_t cookie)
{
	test_modload_pass(GATE_ASYNC);
}

static void request_from_work(struct work_struct *work)
{
	request_module("%s", exit_ask);
}

static DECLARE_WORK(ask_work, request_from_work);

int test_modload_symbol1(void)
{
	return 0;
}
EXPORT_SYMBOL_GPL(test_modload_symbol1);

int test_modload_symbol2(void)
{
	return 0;
}
EXPORT_SYMBOL_GPL(test_modload_symbol2);

static int gate_notify(struct notifier_block *nb, unsigned long state, void *data)
{
	if (state == MODULE_STATE_LIVE && data == THIS_MODULE)
		request_module("%s", live_ask);
	return NOTIFY_OK;
}

static struct notifier_block gate_nb = { .notifier_call = gate_notify };

static int __init test_modload_gate_init(void)
{
	int nr = pass_or_oops(gate, "init");

	if (nr > 0 && *ask && __request_module(!nowait, "%s", ask) == -ERESTARTSYS)
		nr = -EINTR;
	if (nr > 0 && then >= 0)
		test_modload_pass(then);
	if (nr < 0 || (ret && nr <= fails))
		return min(nr, 0) ?: ret;
	if (async)
		async_schedule(async_part, NULL);
	return *live_ask ? register_module_notifier(&gate_nb) : 0;
}

static void __exit test_modload_gate_exit(void)
{
	if (*live_ask)
		unregister_module_notifier(&gate_nb);
	pass_or_oops(GATE_EXIT, "exit");
	msleep(exit_ms);
	if (*exit_ask) {
		schedule_work(&ask_work);
		flush_work(&ask_work);
	}
	if (*exit_request)
		request_module("%s", exit_request);
}

module_init(test_modload_gate_init);
module_exit(test_modload_gate_exit);

MODULE_DESCRIPTION("A module that stops at gates and fails on request");
MODULE_LICENSE("GPL");
