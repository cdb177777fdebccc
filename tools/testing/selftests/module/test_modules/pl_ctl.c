// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gates in which parallel_load holds the init functions of its modules.
 *
 * /sys/module/pl_ctl/parameters/gateN is one gate. Reading it gives
 *
 *	closed C entered E inside I
 *
 * taken at one moment: whether the gate is closed, how many init functions
 * have come to it since it was last reset, and how many stand in it now.
 * Writing "close", "open" or "reset" does that; "reset" opens the gate and sets
 * "entered" back to 0. "step" lets one init function through a closed gate. The
 * counters live here, so that they survive a module whose init function fails.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "pl_ctl.h"

struct pl_gate {
	bool		closed;
	unsigned int	entered;
	unsigned int	inside;
	unsigned int	steps;
};

static struct pl_gate pl_gates[PL_NR_GATES];
static DEFINE_SPINLOCK(pl_gate_lock);
static DECLARE_WAIT_QUEUE_HEAD(pl_gate_wait);

static int pl_gate_set(const char *val, const struct kernel_param *kp)
{
	struct pl_gate *gate = kp->arg;
	int err = 0;

	spin_lock(&pl_gate_lock);
	if (sysfs_streq(val, "close")) {
		gate->closed = true;
		gate->steps = 0;
	} else if (sysfs_streq(val, "step")) {
		gate->steps++;
	} else if (sysfs_streq(val, "open")) {
		gate->closed = false;
	} else if (sysfs_streq(val, "reset")) {
		gate->closed = false;
		gate->entered = 0;
	} else {
		err = -EINVAL;
	}
	spin_unlock(&pl_gate_lock);

	wake_up_all(&pl_gate_wait);
	return err;
}

static int pl_gate_get(char *buf, const struct kernel_param *kp)
{
	struct pl_gate *gate = kp->arg;
	int len;

	spin_lock(&pl_gate_lock);
	len = sysfs_emit(buf, "closed %d entered %u inside %u\n", gate->closed,
			 gate->entered, gate->inside);
	spin_unlock(&pl_gate_lock);

	return len;
}

static const struct kernel_param_ops pl_gate_ops = {
	.set	= pl_gate_set,
	.get	= pl_gate_get,
};

module_param_cb(gate0, &pl_gate_ops, &pl_gates[0], 0644);
MODULE_PARM_DESC(gate0, "close, open, reset or step gate 0");
module_param_cb(gate1, &pl_gate_ops, &pl_gates[1], 0644);
MODULE_PARM_DESC(gate1, "close, open, reset or step gate 1");
module_param_cb(gate2, &pl_gate_ops, &pl_gates[2], 0644);
MODULE_PARM_DESC(gate2, "close, open, reset or step gate 2");

/* Whoever gets through a closed gate has used up one step. */
static bool pl_gate_passable(struct pl_gate *gate)
{
	bool passable = true;

	spin_lock(&pl_gate_lock);
	if (gate->closed && gate->steps)
		gate->steps--;
	else if (gate->closed)
		passable = false;
	spin_unlock(&pl_gate_lock);

	return passable;
}

/**
 * pl_gate_enter - go through a gate, waiting while it is closed
 * @nr: which gate
 * @killable: let fatal signals alone end the wait, not every signal
 *
 * Return: 0 when the gate is or was opened, -EINTR when a signal ended the
 * wait, -EINVAL when there is no such gate.
 */
int pl_gate_enter(unsigned int nr, bool killable)
{
	struct pl_gate *gate;
	int err;

	if (nr >= PL_NR_GATES)
		return -EINVAL;
	gate = &pl_gates[nr];

	spin_lock(&pl_gate_lock);
	gate->entered++;
	gate->inside++;
	spin_unlock(&pl_gate_lock);

	if (killable)
		err = wait_event_killable(pl_gate_wait, pl_gate_passable(gate));
	else
		err = wait_event_interruptible(pl_gate_wait,
					       pl_gate_passable(gate));

	spin_lock(&pl_gate_lock);
	gate->inside--;
	spin_unlock(&pl_gate_lock);

	/* Not -ERESTARTSYS: init's answer is to be seen, not to be retried. */
	return err ? -EINTR : 0;
}
EXPORT_SYMBOL_GPL(pl_gate_enter);

static int __init pl_ctl_init(void)
{
	return 0;
}

/* Without an exit function a module with an init function stays for good. */
static void __exit pl_ctl_exit(void)
{
}

module_init(pl_ctl_init);
module_exit(pl_ctl_exit);

MODULE_DESCRIPTION("parallel_load: gates which hold the loading of a module");
MODULE_LICENSE("GPL");
