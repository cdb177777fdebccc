/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of parallel_load stand on: small files, gates, modules, and
 * images made out of others. No test harness is needed for any of it.
 */
#ifndef PL_LIB_H
#define PL_LIB_H

#include <limits.h>
#include <linux/elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

/* Modules that wake their waiters at one moment. */
#define WAKE_MODULES	32
#define MAX_IMAGES	(8 + WAKE_MODULES)

#define MIB		(1024UL * 1024)
#define GATED_MEMORY	(256 * MIB)

#define CTL		"pl_ctl"
#define GATES		"/sys/module/" CTL "/parameters"
#define STATS		"/sys/kernel/debug/modules/stats"
#define LOADS		"/sys/kernel/debug/modules/loads"
#define DISABLED	"/proc/sys/kernel/modules_disabled"
#define REPORT_SECS	"/sys/module/module/parameters/load_report_secs"

/* The section that has the name, among others. */
#define THIS_MODULE	".gnu.linkonce.this_module"

/* What a module made from pl_gate3 is called, for a name of the same length. */
#define MADE_NAME	"pl_gt_%02d"

/* The same for one made from pl_wide. */
#define OTHER_WIDE	"pl_wid2"

/* <linux/elf.h> has the names that suit the kernel only for the kernel. */
#if __SIZEOF_LONG__ == 8
#define ELFCLASS	ELFCLASS64
#define elf_hdr		elf64_hdr
#define elf_shdr	elf64_shdr
#define elf_sym		elf64_sym
#else
#define ELFCLASS	ELFCLASS32
#define elf_hdr		elf32_hdr
#define elf_shdr	elf32_shdr
#define elf_sym		elf32_sym
#endif

struct image {
	char name[32];		/* of the module in it */
	bool made;		/* at run time, out of another */
	void *data;
	size_t len;
	int fd;			/* the file that ONE_FILE is about */
};

struct request;

/* The state of one test. */
struct pl {
	struct request *req;	/* MAX_REQUESTS of them, shared memory */
	int used;
	struct image image[MAX_IMAGES];
	int nr_images;
	char dir[PATH_MAX];
	char cgroup[64];	/* to freeze requests in, or "" */
	/*
	 * Why the tests cannot run, or NULL. They have to ask, for older
	 * harnesses run a test even when its setup has skipped.
	 */
	const char *cannot;
	struct timespec deadline;
	unsigned long module_memory;	/* before anything was loaded */
	long long in_vain;		/* bytes_in_vain() then */
};

struct gate {
	int closed;
	int entered;
	int inside;
};

/* What the kernel has logged since follow_log(), a line for each message. */
struct kernel_log {
	int fd;
	size_t len;
	char text[256 * 1024];
};

/* Has @cond come true before the deadline? */
#define comes_true(pl, cond) ({						\
	bool _true;							\
									\
	while (!(_true = (cond)) && !deadline_passed(pl))		\
		nap();							\
	_true;								\
})

void set_deadline(struct pl *pl, int seconds);
bool deadline_passed(const struct pl *pl);
void nap(void);
bool read_file(const char *path, char *buf, size_t size);
bool write_file(const char *path, const char *text);
bool set_gate(int nr, const char *what);
struct gate read_gate(int nr);
void open_all_gates(void);
int load(const void *data, size_t len, const char *params);
int unload(const char *name);
bool modules_are_disabled(void);
bool is_loaded(const char *name);
bool unload_all_but(const char *spared);
int references(const char *name);
unsigned long module_memory(void);
unsigned long available_memory(void);
long long bytes_in_vain(void);
long long read_stat(const char *name);
int count_loads(const char *what);
int open_fail_nth(pid_t pid);
bool set_fail_nth(int fd, unsigned int n);
unsigned int get_fail_nth(int fd);
void find_modules(struct pl *pl);
int open_module(const struct pl *pl, const char *name);
int open_copy(const struct image *image);
int reopen(int fd);
const struct image *get_image(struct pl *pl, const char *name);
struct image *make_image(struct pl *pl, const char *name);
bool give_file(struct image *image);
const struct elf_shdr *find_section(const struct image *image,
				    const char *name);
char *find_text(const struct image *image, const char *section,
		const char *text);
bool rename_module(struct image *image, const char *name);
void *map_to_end(const void *data, size_t len);
struct image *make_unreadable(struct pl *pl, const char *name);
bool spoil_vermagic(struct image *image);
struct image *make_bad_vermagic(struct pl *pl, const char *name);
const char *first_needed(const struct image *image, const char *one, const char *two);
bool spoil_last_symbol(struct image *image);
struct image *make_broken_user(struct pl *pl);
bool follow_log(struct kernel_log *log);
int count_lines(struct kernel_log *log, const char *text);
const char *find_line(struct kernel_log *log, const char *text, int nth);
bool in_syscall(pid_t pid, long nr);
char task_state(pid_t pid);
const char *errno_name(int err);
const char *why_not(struct pl *pl);

#endif /* PL_LIB_H */
