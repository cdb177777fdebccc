// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test the errno of wrong input to init_module(), finit_module() and delete_module().
 *
 * The table has all inputs in the order in which the kernel finds them wrong. A call with
 * two of them fails with the errno of the first.
 */
#include <linux/capability.h>

#pragma GCC diagnostic ignored "-Wunused-function"
#include "modload.h"

#define LIMIT		60	/* seconds */
#define BAD_POINTER	((char *)-1)
#define UNKNOWN_FLAG	0x80
#define COMPRESSED	4	/* MODULE_INIT_COMPRESSED_FILE */

/* Further differences between an image and its file */
#define I_EMPTY		1
#define I_NOT_ELF	2
#define I_TRUNCATED	4

struct input {
	const char *name;
	const char *calls;	/* init, finit, delete: their initials */
	int err;
	bool no_capability;
	const char *path;	/* of the file, if it is not the image */
	int open_flags;
	int flags;
	const char *data;	/* the image, or the name to delete */
	size_t len;
	int damage;
	struct call call;
	bool live;		/* the module is loaded already */
	const char *args;
	const char *needs;	/* skip if there is no such file */
};

static const struct input inputs[] = {
	{ "no_capability", "ifd", EPERM, .no_capability = true },
	{ "unknown_flag", "f", EINVAL, .flags = UNKNOWN_FLAG },
	{ "closed_fd", "f", EBADF, .path = "" },
	{ "write_only_fd", "f", EBADF, .open_flags = O_WRONLY },
	{ "path_fd", "f", EBADF, .open_flags = O_PATH },
	{ "directory", "f", EINVAL, .path = "/" },
	{ "device", "f", EINVAL, .path = "/dev/null" },
	{ "writable_file", "f", ETXTBSY, .open_flags = O_RDWR },
	{ "empty_file", "f", EINVAL, .damage = I_EMPTY },
	{ "not_compressed", "f", EINVAL, .flags = COMPRESSED, .needs = "/sys/module/compression" },
	{ "short_image", "i", ENOEXEC, .len = 10 },
	{ "huge_image", "i", ENOMEM, .len = -1UL << 20 },
	{ "name_pointer", "d", EFAULT, .data = BAD_POINTER },
	{ "bad_pointer", "i", EFAULT, .data = BAD_POINTER },
	{ "empty_name", "d", ENOENT, .data = "" },
	{ "long_name", "d", ENOENT, .data =
	  "test_modload_0123456789012345678901234567890123456789012345678901234567890123456789" },
	{ "unknown_name", "d", ENOENT, .data = PREFIX "none" },
	{ "module_in_use", "d", EAGAIN, .data = PREFIX "gate", .live = true },
	{ "bad_signature", "if", EBADMSG, .call.edits = E_SIGNATURE,
	  .needs = "/sys/module/module/parameters/sig_enforce" },
	{ "not_elf", "if", ENOEXEC, .damage = I_NOT_ELF },
	{ "truncated", "if", ENOEXEC, .damage = I_TRUNCATED },
	{ "vermagic", "if", ENOEXEC, .call.edits = E_VERMAGIC },
	{ "live", "if", EEXIST, .live = true },
	{ "missing_symbol", "if", ENOENT, .call.edits = E_BAD_SYMBOL },
	{ "args_pointer", "if", EFAULT, .args = BAD_POINTER },
	{ "parameter", "if", EINVAL, .args = "tag=x" },
	{ "parameter_range", "if", ERANGE, .args = "tag=99999999999" },
	{ "name_in_sysfs", "if", EINVAL, .call.rename = "printk" },
};

static bool failed;

static void damage(struct image *image, int how)
{
	if (how & I_NOT_ELF)
		image->data[0] = '?';
	if (how & I_TRUNCATED)
		image->len /= 2;
	if (how & I_EMPTY)
		image->len = 0;
}

/* Make a call with what is wrong in @a and in @b. Return its result. */
static int try_input(const struct input *a, const struct input *b, char way)
{
	struct call call = { "user", a->call.rename ?: b->call.rename,
			     a->call.edits | b->call.edits }, user = { "user" };
	const char *data = a->data ?: b->data, *args = a->args ?: b->args ?: "";
	struct __user_cap_header_struct hdr = { _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = {};
	const char *path = a->path ?: b->path;
	struct image image = *get_image(&call);
	int fd, status;
	pid_t pid;

	if (a->live || b->live)
		load(get_image(&user), "");
	pid = fork();
	if (!pid) {
		alarm(LIMIT);
		damage(&image, a->damage | b->damage);
		fd = path ? open(path, O_RDONLY) :
			    open_image(&image, a->open_flags ?: b->open_flags);
		if (a->no_capability || b->no_capability)
			syscall(__NR_capset, &hdr, caps);
		if (way == 'd')
			_exit(unload(data ?: PREFIX "user"));
		if (way == 'f')
			_exit(syscall(__NR_finit_module, fd, args, a->flags | b->flags) ?
			      errno : 0);
		image.data = data ? (char *)data : image.data;
		image.len = a->len ?: b->len ?: image.len;
		_exit(load(&image, args));
	}
	waitpid(pid, &status, 0);
	unload(PREFIX "user");
	return WIFEXITED(status) ? WEXITSTATUS(status) : KILLED;
}

/* Return whether @a and @b can be wrong in one call, and @a is found first. */
static bool is_possible(const struct input *a, const struct input *b)
{
	const struct call user = { "user" };

	return !((a->path || a->open_flags) && (b->path || b->open_flags)) &&
	       !(a->data && b->data) && !(a->len && b->len) && !(a->args && b->args) &&
	       !(a->live && b->call.rename) &&
	       /* The end of the file is the signature. */
	       !(a->call.edits & E_SIGNATURE && b->damage & I_TRUNCATED) &&
	       /* The name of a large image may be looked up before the image is checked. */
	       !(a->call.edits && b->live && get_image(&user)->len >= 64 * 1024);
}

/* Try @a alone, and with each input that the kernel finds wrong after that. */
static void run_input(const struct input *a, char way)
{
	const struct input *b;
	int err;

	for (b = a; b < inputs + ARRAY_SIZE(inputs); b++) {
		if (!strchr(b->calls, way) || (b->needs && access(b->needs, F_OK)) ||
		    (a != b && !is_possible(a, b)))
			continue;
		err = try_input(a, b, way);
		if (err == a->err)
			continue;
		failed = true;
		ksft_print_msg("%s and %s: want %s, got %s\n", a->name, b->name,
			       errno_name(a->err), errno_name(err));
	}
}

int main(void)
{
	struct call ctl = { "ctl" }, gate = { "gate" }, user = { "user" };
	const struct input *in;
	const char *way;
	int n = 0;

	ksft_print_header();
	if (!get_image(&ctl) || !get_image(&gate) || !get_image(&user) ||
	    load(get_image(&ctl), "") || load(get_image(&gate), ""))
		ksft_exit_skip("test modules: not loaded: %s\n", strerror(errno));
	for (in = inputs; in < inputs + ARRAY_SIZE(inputs); in++)
		n += strlen(in->calls);
	ksft_set_plan(n);

	for (in = inputs; in < inputs + ARRAY_SIZE(inputs); in++) {
		for (way = in->calls; *way; way++) {
			const char *call = *way == 'i' ? "init" : *way == 'f' ? "finit" : "delete";

			failed = false;
			if (in->needs && access(in->needs, F_OK)) {
				ksft_test_result_skip("%s.%s\n", in->name, call);
				continue;
			}
			run_input(in, *way);
			ksft_test_result(!failed, "%s.%s\n", in->name, call);
		}
	}
	unload(PREFIX "gate");
	unload(PREFIX "ctl");
	ksft_finished();
}
