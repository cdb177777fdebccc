// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module that matches every CPU, and whose init function refuses, like drivers of CPU
 * features that a machine does not have. udev requests it once for each CPU.
 */

#include <linux/module.h>
#include <asm/cpu_device_id.h>

static const struct x86_cpu_id bench_ids[] = {
	{ .vendor = X86_VENDOR_ANY, .family = X86_FAMILY_ANY, .model = X86_MODEL_ANY,
	  .steppings = X86_STEPPING_ANY, .feature = X86_FEATURE_ANY },
	{}
};
MODULE_DEVICE_TABLE(x86cpu, bench_ids);

static int __init bench_init(void)
{
	return -ENODEV;
}
module_init(bench_init);

MODULE_DESCRIPTION("Module that refuses each CPU");
MODULE_LICENSE("GPL");
