/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HAMMER_MODEL_H
#define HAMMER_MODEL_H

#include <limits.h>
#include <linux/types.h>
#include <stdbool.h>
#include <sys/types.h>

#include "pl_lib.h"

#define LOG		"pl_log"
#define LOG_FILE	"/sys/kernel/debug/" LOG
#define DELAY_FILE	"/sys/module/" LOG "/parameters/delay_us"

#define NR_NAMES	5

/* The last of them needs a symbol of the first. */
#define OWNER		0
#define USER		4

#define MAX_HAMMERERS	64

/* Events of a process, functions of a module: what is remembered of them. */
#define RING		1024
#define RUNS		16384

#define MSEC		1000000ULL
#define SEC		(1000 * MSEC)
#define NEVER		ULLONG_MAX

/* No errno: the process was killed. */
#define KILLED		(-1)

enum picture {
	GOOD,
	BAD_MAGIC,	/* for another kernel */
	BAD_SYMBOL,	/* needs a symbol that nobody has */
	CUT,		/* the end is missing */
	UNREADABLE,	/* the last byte cannot be read */
	NR_PICTURES,
};

enum way {
	INIT_MODULE,
	ONE_FILE,	/* finit_module(), all on one file */
	COPY,		/* finit_module(), on a file of its own */
	NR_WAYS,
};

/* A kind of load. The tags are in the parameters. */
struct kind {
	const char *name;
	enum picture picture;
	const char *params;
	int tag;
	int flags;		/* of finit_module(), then not for init_module() */
	int alone;		/* the answer when nobody else is about */
	bool refused;		/* by init */
	unsigned int weight;
};

enum op {
	LOAD,
	UNLOAD,
	KILL,
	STOP,		/* and go on, after a while */
	STAY_STOPPED,	/* until somebody else says so */
	CONTINUE,
	RESTART,	/* a handler with SA_RESTART */
	INTERRUPT,	/* a handler without */
	DELAY,		/* how long init and exit take from now on */
	REST,
	NR_OPS,
};

/* What a process decides to do, all of it from the seed. */
struct decision {
	enum op op;
	int name;
	int kind;
	enum way way;
	int other;	/* process, to send a signal to */
	unsigned int us;
};

/* What a process did. Times are CLOCK_MONOTONIC, in ns. */
struct event {
	__u64 nr;
	__u64 start;
	__u64 end;
	pid_t pid;
	struct decision what;
	int err;		/* 0, an errno or KILLED */
	bool interrupted;	/* a handler ran that ends system calls */
	bool signalled;
};

/* One of the processes, and those that come after it if it is killed. */
struct hammerer {
	pid_t pid;
	__u64 next;		/* the number of what it does next */
	__u64 signal;		/* when the last one was sent */
	__u64 handled;		/* handlers run that end system calls */
	bool busy;		/* with @now */
	struct event now;
	__u64 events;		/* ever put into the ring, by the process */
	__u64 checked;		/* by the model */
	struct event ring[RING];
};

struct shared {
	bool stop;
	struct hammerer hammerer[MAX_HAMMERERS];
};

/* An init or exit function that ran, or runs. */
struct run {
	__u64 start;
	__u64 end;		/* NEVER: not yet */
	__u64 asked;		/* when the request was made, 0: not known */
	__u64 answered;		/* when it had its answer, NEVER: not known */
	pid_t pid;
	int ret;
	int tag;
	bool exit;
	bool owned;		/* by a request that was answered, or killed */
};

/* What is known of a module, in order of time. */
struct timeline {
	struct image *image[NR_PICTURES];
	int copy[NR_PICTURES][MAX_HAMMERERS];
	bool live;		/* init has run, exit has not */
	__u64 runs;
	struct run run[RUNS];
};

struct figures {
	__u64 counted[NR_OPS];		/* done */
	__u64 errs[2][4096];		/* of loads and of removals */
	__u64 killed[2];
	__u64 merged;
	__u64 stopped;
};

/* hammer_model.c */
extern struct figures figures;
extern struct timeline timelines[NR_NAMES];
extern int problems;

bool open_log(void);
void check_events(void);
void check_leftovers(void);
void problem(int process, const struct event *e, const char *fmt, ...);

/* hammer.c */
extern struct shared *shared;
extern struct kind kinds[];
extern int nr_hammerers;

__u64 now(void);
double seconds(__u64 time);
void print_event(const char *prefix, int process, const struct event *e);

#endif /* HAMMER_MODEL_H */
