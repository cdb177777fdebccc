// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../kselftest.h"
#include "pl_lib.h"

/* In an order in which they can be unloaded. */
static const char * const all_modules[] = {
	"pl_chain", "pl_both", "pl_user", "pl_gate", "pl_gate2", "pl_gate3",
	"pl_ring1", "pl_ring2", "pl_wide", "pl_big", CTL,
};

/* Time */

void set_deadline(struct pl *pl, int seconds)
{
	clock_gettime(CLOCK_MONOTONIC, &pl->deadline);
	pl->deadline.tv_sec += seconds;
}

bool deadline_passed(const struct pl *pl)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > pl->deadline.tv_sec ||
	       (now.tv_sec == pl->deadline.tv_sec &&
		now.tv_nsec >= pl->deadline.tv_nsec);
}

void nap(void)
{
	const struct timespec t = { .tv_nsec = 10 * 1000 * 1000 };

	nanosleep(&t, NULL);
}

/* Small files */

bool read_file(const char *path, char *buf, size_t size)
{
	ssize_t len;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	len = read(fd, buf, size - 1);
	close(fd);
	if (len < 0)
		return false;
	if (len && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return true;
}

bool write_file(const char *path, const char *text)
{
	ssize_t len = strlen(text);
	bool ok;
	int fd;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = write(fd, text, len) == len;
	close(fd);
	return ok;
}

/* Gates */

bool set_gate(int nr, const char *what)
{
	char path[64];

	snprintf(path, sizeof(path), GATES "/gate%d", nr);
	return write_file(path, what);
}

/* A gate that cannot be read has nobody in it, and nobody ever had. */
struct gate read_gate(int nr)
{
	struct gate gate = {};
	char path[64], buf[128];

	snprintf(path, sizeof(path), GATES "/gate%d", nr);
	if (!read_file(path, buf, sizeof(buf)) ||
	    sscanf(buf, "closed %d entered %d inside %d", &gate.closed,
		   &gate.entered, &gate.inside) != 3)
		return (struct gate){};
	return gate;
}

void open_all_gates(void)
{
	int nr;

	for (nr = 0; set_gate(nr, "open"); nr++)
		;
}

/* Modules */

int load(const void *data, size_t len, const char *params)
{
	return syscall(__NR_init_module, data, len, params) ? errno : 0;
}

int unload(const char *name)
{
	return syscall(__NR_delete_module, name, O_NONBLOCK) ? errno : 0;
}

/* No module comes or goes any more, and nothing takes that back but a reboot. */
bool modules_are_disabled(void)
{
	char buf[16];

	return read_file(DISABLED, buf, sizeof(buf)) && strcmp(buf, "0");
}

/* Is @name in /proc/modules? Whoever cannot tell says yes. */
bool is_loaded(const char *name)
{
	char line[512], word[64];
	bool found = false;
	FILE *f;

	f = fopen("/proc/modules", "re");
	if (!f)
		return true;
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%63s", word) == 1 && !strcmp(word, name);
	fclose(f);
	return found;
}

bool unload_all_but(const char *spared)
{
	bool clean = true;
	char name[32];
	size_t i;

	for (i = 0; i < WAKE_MODULES; i++) {
		snprintf(name, sizeof(name), MADE_NAME, (int)i);
		if (unload(name) != ENOENT)
			clean &= !is_loaded(name);
	}
	unload(OTHER_WIDE);
	clean &= !is_loaded(OTHER_WIDE);
	for (i = 0; i < ARRAY_SIZE(all_modules); i++) {
		if (spared && !strcmp(all_modules[i], spared))
			continue;
		unload(all_modules[i]);
		clean &= !is_loaded(all_modules[i]);
	}
	return clean;
}

int references(const char *name)
{
	char path[64], buf[16];

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", name);
	return read_file(path, buf, sizeof(buf)) ? atoi(buf) : -1;
}

/*
 * The memory that the module loader holds, by the functions which have asked
 * for it: their names have changed over time, and inlining picks among them.
 * What execmem keeps in its cache is nobody's and stays when a module goes.
 */
unsigned long module_memory(void)
{
	static const char * const callers[] = {
		"move_module", "module_memory_alloc", "module_alloc",
		"layout_and_allocate", "load_module", "execmem_alloc",
		"execmem_vmalloc", "__execmem_alloc", "execmem_alloc_rw",
	};
	unsigned long size, sum = 0;
	char *line = NULL, caller[64];
	size_t room = 0, i;
	FILE *f;

	f = fopen("/proc/vmallocinfo", "re");
	if (!f)
		return 0;
	while (getline(&line, &room, f) > 0) {
		if (sscanf(line, "%*s %lu %63[^+. ]", &size, caller) != 2)
			continue;
		for (i = 0; i < ARRAY_SIZE(callers); i++)
			if (!strcmp(caller, callers[i]))
				sum += size;
	}
	free(line);
	fclose(f);
	return sum;
}

unsigned long available_memory(void)
{
	unsigned long kib = 0;
	char line[128];
	FILE *f;

	f = fopen("/proc/meminfo", "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %lu kB", &kib) == 1)
			break;
	fclose(f);
	return kib * 1024;
}

/* A line of MODULE_STATS, -1 when the kernel does not have it. */
long long read_stat(const char *name)
{
	long long value = -1;
	char line[128];
	FILE *f;

	f = fopen(STATS, "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		char *tab = strchr(line, '\t');
		char *start = line + strspn(line, " ");

		if (!tab)
			continue;
		*tab = '\0';
		if (!strcmp(start, name)) {
			value = atoll(tab + 1);
			break;
		}
	}
	fclose(f);
	return value;
}

/* Bytes laid out in vain since boot, -1 when the kernel does not count them. */
long long bytes_in_vain(void)
{
	return read_stat("Failed kmod bytes");
}

/* The lines of modules/loads with @what in them, -1 when the kernel has none. */
int count_loads(const char *what)
{
	char line[512];
	int n = 0;
	FILE *f;

	f = fopen(LOADS, "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		n += line[0] != '#' && strstr(line, what);
	fclose(f);
	return n;
}

/*
 * Which of the allocations that a process makes from now on will fail, counted
 * from 1. It is 0 when none will, or when it has.
 */
int open_fail_nth(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fail-nth", pid);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* Neither of these two has the process itself allocate anything afterwards. */
bool set_fail_nth(int fd, unsigned int n)
{
	char buf[16];
	int len = snprintf(buf, sizeof(buf), "%u", n);

	return pwrite(fd, buf, len, 0) == len;
}

unsigned int get_fail_nth(int fd)
{
	char buf[16];
	ssize_t len = pread(fd, buf, sizeof(buf) - 1, 0);

	buf[len < 0 ? 0 : len] = '\0';
	return strtoul(buf, NULL, 10);
}

void find_modules(struct pl *pl)
{
	const char *dir = getenv("PARALLEL_LOAD_MODULES");
	char self[PATH_MAX - 16];
	ssize_t len;

	if (dir) {
		snprintf(pl->dir, sizeof(pl->dir), "%s", dir);
		return;
	}
	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[len < 0 ? 0 : len] = '\0';
	if (strrchr(self, '/'))
		*strrchr(self, '/') = '\0';
	snprintf(pl->dir, sizeof(pl->dir), "%s/test_modules", self);
}

int open_module(const struct pl *pl, const char *name)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s.ko", pl->dir, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* A file of one's own: already unlinked, so that nothing can be left behind. */
int open_copy(const struct image *image)
{
	const char *tmp = getenv("TMPDIR") ?: "/tmp";
	char path[PATH_MAX];
	const char *from = image->data;
	size_t left = image->len;
	int out, fd = -1;

	snprintf(path, sizeof(path), "%s/parallel_load.XXXXXX", tmp);
	out = mkostemp(path, O_CLOEXEC);
	if (out < 0)
		return -1;
	while (left) {
		ssize_t len = write(out, from, left);

		if (len <= 0)
			break;
		from += len;
		left -= len;
	}
	close(out);
	/* Opened again: no module is read from a file open for writing. */
	if (!left)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	unlink(path);
	return fd;
}

/* The same file, opened once more. */
int reopen(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

const struct image *get_image(struct pl *pl, const char *name)
{
	struct image *image = pl->image;
	struct stat st;

	for (; image < pl->image + pl->nr_images; image++)
		if (!image->made && !strcmp(image->name, name))
			return image;
	if (pl->nr_images == MAX_IMAGES)
		return NULL;

	image->fd = open_module(pl, name);
	if (image->fd < 0)
		return NULL;
	if (fstat(image->fd, &st)) {
		close(image->fd);
		return NULL;
	}
	/*
	 * Anonymous memory, not the mapped file: fork() hands down its page
	 * tables, so that no request is held up by page faults.
	 */
	image->len = st.st_size;
	image->data = malloc(image->len);
	if (image->data &&
	    read(image->fd, image->data, image->len) != (ssize_t)image->len) {
		free(image->data);
		image->data = NULL;
	}
	if (!image->data) {
		close(image->fd);
		return NULL;
	}
	snprintf(image->name, sizeof(image->name), "%s", name);
	image->made = false;
	pl->nr_images++;
	return image;
}

/* Making images out of others. Each step says whether it found what it needs. */

struct image *make_image(struct pl *pl, const char *name)
{
	const struct image *from = get_image(pl, name);
	struct image *image = &pl->image[pl->nr_images];

	if (!from || pl->nr_images == MAX_IMAGES)
		return NULL;
	*image = *from;
	image->made = true;
	image->fd = -1;
	image->data = malloc(from->len);
	if (!image->data)
		return NULL;
	memcpy(image->data, from->data, from->len);
	pl->nr_images++;
	return image;
}

/* To be called when the image is as it shall be. */
bool give_file(struct image *image)
{
	image->fd = open_copy(image);
	return image->fd >= 0;
}

const struct elf_shdr *find_section(const struct image *image,
				    const char *name)
{
	const struct elf_hdr *hdr = image->data;
	const struct elf_shdr *sec, *names;
	int i;

	if (hdr->e_ident[EI_CLASS] != ELFCLASS)
		return NULL;
	sec = image->data + hdr->e_shoff;
	names = &sec[hdr->e_shstrndx];
	for (i = 0; i < hdr->e_shnum; i++)
		if (!strcmp(image->data + names->sh_offset + sec[i].sh_name, name))
			return &sec[i];
	return NULL;
}

char *find_text(const struct image *image, const char *section,
		const char *text)
{
	const struct elf_shdr *sec = find_section(image, section);

	if (!sec)
		return NULL;
	return memmem(image->data + sec->sh_offset, sec->sh_size, text,
		      strlen(text));
}

/* @name is as long as the name it replaces. */
bool rename_module(struct image *image, const char *name)
{
	char old[48], *info, *this_module;

	snprintf(old, sizeof(old), "name=%s", image->name);
	info = find_text(image, ".modinfo", old);
	this_module = find_text(image, THIS_MODULE, image->name);
	if (!info || !this_module)
		return false;
	memcpy(info + strlen("name="), name, strlen(name));
	memcpy(this_module, name, strlen(name));
	snprintf(image->name, sizeof(image->name), "%s", name);
	return true;
}

/*
 * The same bytes, at the end of memory that can be read, and shared with the
 * processes that make requests.
 */
void *map_to_end(const void *data, size_t len)
{
	size_t page = sysconf(_SC_PAGESIZE);
	size_t room = (len + page - 1) / page * page;
	char *p;

	p = mmap(NULL, room + page, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || mprotect(p + room, page, PROT_NONE))
		return NULL;
	return memcpy(p + room - len, data, len);
}

/* Not for who copies it: nothing is missing but the last byte of all. */
struct image *make_unreadable(struct pl *pl, const char *name)
{
	struct image *image = make_image(pl, name);

	if (!image)
		return NULL;
	image->data = map_to_end(image->data, image->len);
	image->len++;
	return image->data ? image : NULL;
}

/* No kernel has this version, nor, if it goes by CRCs, these options. */
bool spoil_vermagic(struct image *image)
{
	char *magic = find_text(image, ".modinfo", "vermagic=");
	char *options;

	if (!magic)
		return false;
	magic += strlen("vermagic=");
	options = strchr(magic, ' ');
	*magic = '?';
	if (options)
		options[1] = '?';
	return true;
}

struct image *make_bad_vermagic(struct pl *pl, const char *name)
{
	struct image *image = make_image(pl, name);

	return image && spoil_vermagic(image) ? image : NULL;
}

/* Which of two symbols that @image needs is looked up first? NULL: it needs neither. */
const char *first_needed(const struct image *image, const char *one, const char *two)
{
	const struct elf_shdr *tab = find_section(image, ".symtab");
	const struct elf_shdr *strings = find_section(image, ".strtab");
	const struct elf_sym *sym;
	size_t i;

	if (!tab || !strings)
		return NULL;
	sym = image->data + tab->sh_offset;
	for (i = 0; i < tab->sh_size / sizeof(*sym); i++) {
		const char *name = image->data + strings->sh_offset + sym[i].st_name;

		if (sym[i].st_shndx != SHN_UNDEF)
			continue;
		if (!strcmp(name, one))
			return one;
		if (!strcmp(name, two))
			return two;
	}
	return NULL;
}

/*
 * Of all the symbols of pl_gate that are needed, nobody has the one that is
 * looked up last. So a load of this waits for pl_gate, and fails after that.
 */
bool spoil_last_symbol(struct image *image)
{
	const struct elf_shdr *tab = find_section(image, ".symtab");
	const struct elf_shdr *strings = find_section(image, ".strtab");
	const struct elf_sym *sym;
	char *last = NULL;
	size_t i, n = 0;

	if (!tab || !strings)
		return false;
	sym = image->data + tab->sh_offset;
	for (i = 0; i < tab->sh_size / sizeof(*sym); i++) {
		char *name = image->data + strings->sh_offset + sym[i].st_name;

		if (sym[i].st_shndx == SHN_UNDEF &&
		    (!strcmp(name, "pl_gate_answer") ||
		     !strcmp(name, "pl_gate_other"))) {
			last = name;
			n++;
		}
	}
	if (n != 2)
		return false;
	*last = '?';
	return true;
}

/* pl_user with a symbol that nobody has, found out about after a wait. */
struct image *make_broken_user(struct pl *pl)
{
	struct image *image = make_image(pl, "pl_user");

	return image && spoil_last_symbol(image) && give_file(image) ? image : NULL;
}

/* Processes */

/* The kernel's log */

bool follow_log(struct kernel_log *log)
{
	log->len = 0;
	log->text[0] = '\0';
	log->fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return log->fd >= 0 && lseek(log->fd, 0, SEEK_END) >= 0;
}

/* A record is "priority,number,time,flags;message" and lines about it. */
static void read_log(struct kernel_log *log)
{
	char record[8192], *message;
	ssize_t len;

	/* EPIPE: older records have been overwritten, there are more. */
	while ((len = read(log->fd, record, sizeof(record) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		record[len < 0 ? 0 : len] = '\0';
		message = strchr(record, ';');
		if (!message)
			continue;
		message[strcspn(message, "\n")] = '\0';
		log->len += snprintf(log->text + log->len,
				     sizeof(log->text) - log->len, "%s\n",
				     message + 1);
		if (log->len >= sizeof(log->text))
			log->len = sizeof(log->text) - 1;
	}
}

/* The line number @nth, from 0, of those which have @text in them, or NULL. */
const char *find_line(struct kernel_log *log, const char *text, int nth)
{
	static char line[2048];
	const char *start, *end;

	read_log(log);
	for (start = log->text; (end = strchr(start, '\n')); start = end + 1) {
		snprintf(line, sizeof(line), "%.*s", (int)(end - start), start);
		if (strstr(line, text) && !nth--)
			return line;
	}
	return NULL;
}

int count_lines(struct kernel_log *log, const char *text)
{
	int n = 0;

	while (find_line(log, text, n))
		n++;
	return n;
}

/* Both from /proc: is this process in system call @nr, and asleep in it? */
bool in_syscall(pid_t pid, long nr)
{
	char path[64], buf[256], *end;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	if (!read_file(path, buf, sizeof(buf)))
		return false;
	/* Or the word "running". */
	return strtol(buf, &end, 10) == nr && end != buf;
}

char task_state(pid_t pid)
{
	char path[64], buf[512], *paren;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (!read_file(path, buf, sizeof(buf)))
		return '?';
	paren = strrchr(buf, ')');
	return paren && paren[1] == ' ' ? paren[2] : '?';
}

/* Answers */

const char *errno_name(int err)
{
	static const struct {
		int err;
		const char *name;
	} names[] = {
		{ 0, "0" }, { EAGAIN, "EAGAIN" }, { EBUSY, "EBUSY" },
		{ EDEADLK, "EDEADLK" }, { EEXIST, "EEXIST" },
		{ EFAULT, "EFAULT" }, { EINTR, "EINTR" }, { EINVAL, "EINVAL" },
		{ ENODEV, "ENODEV" }, { ENOENT, "ENOENT" },
		{ ENOEXEC, "ENOEXEC" }, { ENOMEM, "ENOMEM" }, { ENXIO, "ENXIO" },
		{ EOPNOTSUPP, "EOPNOTSUPP" }, { EPERM, "EPERM" },
		{ ETXTBSY, "ETXTBSY" },
	};
	static char number[32];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].err == err)
			return names[i].name;
	snprintf(number, sizeof(number), "errno %d", err);
	return number;
}

/* The machine */

/* Why this machine cannot run the test, and what to do, or NULL if it can. */
const char *why_not(struct pl *pl)
{
	static char why[PATH_MAX + 128];
	unsigned long long caps = 0;
	char line[256];
	size_t i;
	FILE *f;
	int fd;

	f = fopen("/proc/self/status", "re");
	if (!f)
		return "no /proc: mount it";
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	fclose(f);
	if (!(caps & (1ULL << 16)))
		return "no CAP_SYS_MODULE: run this as root";

	if (modules_are_disabled())
		return "modules_disabled is set: reboot, it cannot be taken back";
	if (access("/proc/modules", F_OK) ||
	    unload("pl_no_such_module") != ENOENT)
		return "no modules: needs CONFIG_MODULES and MODULE_UNLOAD";
	if (access("/sys/module", F_OK))
		return "no /sys/module: mount sysfs on /sys";
	if (access("/proc/self/syscall", F_OK))
		return "no /proc/PID/syscall: needs HAVE_ARCH_TRACEHOOK";
	if (access("/proc/vmallocinfo", R_OK) || access("/proc/kallsyms", F_OK))
		return "cannot see module memory: needs CONFIG_KALLSYMS and MMU";
	if (available_memory() < GATED_MEMORY) {
		snprintf(why, sizeof(why), "needs %lu MiB of free memory",
			 GATED_MEMORY / MIB);
		return why;
	}

	find_modules(pl);
	for (i = 0; i < ARRAY_SIZE(all_modules); i++) {
		fd = open_module(pl, all_modules[i]);
		if (fd < 0) {
			snprintf(why, sizeof(why),
				 "no %s.ko in %.900s: build test_modules",
				 all_modules[i], pl->dir);
			return why;
		}
		close(fd);
	}
	return NULL;
}
