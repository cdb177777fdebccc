/* SPDX-License-Identifier: GPL-2.0-only */
/* Many concurrent requests for a module, and what they cost. */
#ifndef REQUESTS_H
#define REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define MIB		(1024.0 * 1024.0)
#define PAGE		4096UL
#define MAX_REQUESTS	10000
#define MAX_ROUNDS	100

enum way { INIT_MODULE, ONE_FILE, COPIES, NR_WAYS };

extern const char * const way_names[];

struct image {
	char name[32];		/* of the module in it */
	char path[64];		/* of a file that holds it */
	char *data;
	size_t len;
	size_t size;		/* of its module memory */
};

/* One request, a process. Shared between it and the process that measures. */
struct slot {
	double end;		/* when the system call returned */
	double cpu;		/* CPU time of system calls */
	long wakeups;		/* how often the system call slept */
	int err;
	pid_t pid;
	bool started, returned;
};

struct shared {
	int go, leave;		/* futexes */
	int ready, returned;
	bool held;		/* a load waits in its init function */
	int other_loads, other_enomem;
	struct slot slot[MAX_REQUESTS];
};

extern struct shared *shared;

enum figure {
	WALL, CPU, WAKEUPS, PEAK, WASTED, IMAGES,
	OK, EXIST, BUSY, NODEV, NOENT, NOMEM, OTHER, KILLED, NO_ROOM,
	/* of these the most counts, not the median */
	LOADS, INITS, ALLOCATIONS, ERRNOS, NR_FIGURES
};

extern const char * const figure_names[];

struct stats {
	double live, failed, failed_loads, failed_copies, kmod_bytes, copied_bytes;
};

/* The program that links requests.c has these. */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
double cpu_seconds(void);		/* CPU time used so far */
void begin_measurement(int n);		/* @n requests are at the gate */
void look_at_requests(int n);		/* again and again, until they have returned */
void end_round(const char *name);	/* removes the module */

double seconds(clockid_t clock);
void nap(int ms);
int by_value(const void *a, const void *b);
void write_file(const char *path, const char *text);
void wait_on(int *futex);
void release(int *futex);
double number_in(const char *path, const char *what);
bool has_line(const char *path, const char *what);
struct stats read_stats(void);

char *map_memory(size_t len);
struct image read_image(const char *path);
void write_image(const struct image *image, int fd);
size_t pad_image(struct image *image, const char *mark, size_t size);
int copy_image(const struct image *image);
int open_module(const struct image *image, enum way way);

void map_requests(void);
void begin(void);
pid_t start(void);
void be_urgent(void);
void load(const void *data, size_t len, int fd, enum way way, const char *params,
	  struct slot *slot);
void add_requests(int first, const struct image *image, enum way way, int n, const char *params);
void measure(int n, const struct image *image, double *figures);
int measure_rounds(int rounds, double limit, const struct image *image, enum way way, int n,
		   const char *params, double all[][MAX_ROUNDS], double *figures);

#endif
