// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gates at which the other test modules stop
 *
 * /sys/module/test_modload_ctl/parameters/gates has three numbers for each gate: 1 if it is
 * closed, the tasks that came to it since the last reset, and the tasks that wait at it. Write
 * "close N", "open N" or "reset 0". A reset opens all gates. The numbers outlive a failed load.
 */
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/spinlock.h>
#include <linux/uio.h>
#include <linux/wait.h>

#include "test_modload.h"

static struct {
	bool closed;
	unsigned int entered;
	unsigned int inside;
} gates[NR_GATES];

static DEFINE_SPINLOCK(gates_lock);
static DECLARE_WAIT_QUEUE_HEAD(gates_wait);

static int gates_set(const char *val, const struct kernel_param *kp)
{
	unsigned int nr;
	char what[8];

	if (sscanf(val, "%7s %u", what, &nr) != 2 || nr >= NR_GATES)
		return -EINVAL;

	spin_lock(&gates_lock);
	if (!strcmp(what, "reset"))
		memset(gates, 0, sizeof(gates));
	else
		gates[nr].closed = !strcmp(what, "close");
	spin_unlock(&gates_lock);

	wake_up_all(&gates_wait);
	return 0;
}

static int gates_get(char *buf, const struct kernel_param *kp)
{
	int i, len = 0;

	spin_lock(&gates_lock);
	for (i = 0; i < NR_GATES; i++)
		len += sysfs_emit_at(buf, len, "%d %u %u\n", gates[i].closed,
				     gates[i].entered, gates[i].inside);
	spin_unlock(&gates_lock);
	return len;
}

static const struct kernel_param_ops gates_ops = { .set = gates_set, .get = gates_get };
module_param_cb(gates, &gates_ops, NULL, 0600);

/* Wait until the gate is open. Return how many tasks came up to this one, or -EINTR if killed. */
int test_modload_pass(enum test_modload_gate nr)
{
	int ret, err;

	spin_lock(&gates_lock);
	ret = ++gates[nr].entered;
	gates[nr].inside++;
	spin_unlock(&gates_lock);

	err = wait_event_killable(gates_wait, !READ_ONCE(gates[nr].closed));

	spin_lock(&gates_lock);
	gates[nr].inside--;
	spin_unlock(&gates_lock);
	return err ? -EINTR : ret;
}
EXPORT_SYMBOL_GPL(test_modload_pass);

static int modload_notify(struct notifier_block *nb, unsigned long state, void *data)
{
	struct module *mod = data;

	if (state == MODULE_STATE_GOING && strstarts(mod->name, "test_modload_") &&
	    mod != THIS_MODULE)
		test_modload_pass(GATE_GOING);
	return NOTIFY_OK;
}

static struct notifier_block modload_nb = { .notifier_call = modload_notify };

/* Stop at a gate. Then fail for the first page, and map a page of zeros for others. */
static vm_fault_t ctl_fault(struct vm_fault *vmf)
{
	if (test_modload_pass(GATE_COPY) < 0 || !vmf->pgoff)
		return VM_FAULT_SIGBUS;
	vmf->page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	return vmf->page ? 0 : VM_FAULT_OOM;
}

static const struct vm_operations_struct ctl_vm_ops = { .fault = ctl_fault };

static int ctl_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &ctl_vm_ops;
	return 0;
}

static const struct file_operations ctl_fops = { .owner = THIS_MODULE, .mmap = ctl_mmap };

static struct miscdevice ctl_dev = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "test_modload_ctl",
	.fops	= &ctl_fops,
};

enum { READ_FAILS, READ_OOPSES, READ_ZEROS };

/*
 * Stop at a gate. Then read zeros or fail. The first read that fails does so with -EIO or an oops,
 * later ones with -ENXIO.
 */
static ssize_t ctl_read(struct kiocb *iocb, struct iov_iter *iter)
{
	long kind = (long)pde_data(file_inode(iocb->ki_filp));
	int nr = test_modload_pass(GATE_READ);
	size_t n;

	if (kind == READ_ZEROS && nr > 0) {
		n = iov_iter_zero(iov_iter_count(iter), iter);
		iocb->ki_pos += n;
		return n;
	}
	if (kind == READ_OOPSES && nr == 1) {
		/* The task uses the file forever, so the module must stay. */
		__module_get(THIS_MODULE);
		WRITE_ONCE(*(int *)NULL, 0);
	}
	return nr < 0 ? nr : nr == 1 ? -EIO : -ENXIO;
}

static const struct proc_ops ctl_proc_ops = { .proc_read_iter = ctl_read };

static void create_file(const char *name, long kind)
{
	struct proc_dir_entry *file = proc_create_data(name, 0400, NULL, &ctl_proc_ops,
						       (void *)kind);

	/* An empty file is not read. */
	if (file)
		proc_set_size(file, PAGE_SIZE);
}

static int __init test_modload_ctl_init(void)
{
	int err = register_module_notifier(&modload_nb);

	if (err)
		return err;
	err = misc_register(&ctl_dev);
	if (err) {
		unregister_module_notifier(&modload_nb);
		return err;
	}
	create_file("test_modload_error", READ_FAILS);
	create_file("test_modload_oops", READ_OOPSES);
	create_file("test_modload_zeros", READ_ZEROS);
	return 0;
}

static void __exit test_modload_ctl_exit(void)
{
	remove_proc_entry("test_modload_error", NULL);
	remove_proc_entry("test_modload_oops", NULL);
	remove_proc_entry("test_modload_zeros", NULL);
	misc_deregister(&ctl_dev);
	unregister_module_notifier(&modload_nb);
}

module_init(test_modload_ctl_init);
module_exit(test_modload_ctl_exit);

MODULE_DESCRIPTION("Gates for the tests of concurrent module loads");
MODULE_LICENSE("GPL");
