/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Concurrent loads of one module: the protocol of kernel/module/shared_load.c.
 *
 * LOADS requests load module A, IMPORTERS requests load module B, which needs a symbol of A,
 * and REMOVALS requests remove A. An inline has the name of the function that it models.
 * README.md describes what is checked and what is left out.
 *
 *	WAYS=n		the ways to load A, a sum: 1 and 2 two files of one build, 4 memory with
 *			that build, 8 memory with another build, 16 either parameters
 *	MIXED		instead: the first from memory, the others one file; two parameters
 *	FEW		the only errors of a load are those of init
 *	SIGNALS=n	signals that interrupt a wait, in half of the runs
 *	DEATHS=n	owners that die, in half of the runs
 *	PATIENCE	waiters give up on a removal and on a symbol, in half of the runs
 *	ALL		REMOVALS=1 SIGNALS=1 DEATHS=1 PATIENCE
 *	EXIT_WAITS	the exit function waits for all requests that have begun
 *	BREAK_...	a mistake for spin to find
 */

#ifdef ALL
#define REMOVALS 1
#define SIGNALS 1
#define DEATHS 1
#define PATIENCE
#endif
#ifndef LOADS
#define LOADS 3
#endif
#ifndef IMPORTERS
#define IMPORTERS 0
#endif
#ifndef REMOVALS
#define REMOVALS 0
#endif
#ifndef WAYS
#define WAYS 7
#endif
#ifndef SIGNALS
#define SIGNALS 0
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifdef PATIENCE
#define PATIENT 1
#else
#define PATIENT 0
#endif

/* Request i has record i. 0 is NULL. */
#define LOADERS	(LOADS + IMPORTERS)
#define N	(LOADERS + REMOVALS)
#define BIT(i)	(1 << (i))

/* enum shared_load_outcome */
#define RETRY	0
#define LIVE	1
#define FAILED	2
#define BUSY	3

/* enum shared_load_need */
#define FILE	0
#define NAME	1
#define SYMBOL	2

/* Results. EINTR stands for each reason of a task's own but ENOMEM, EFAIL for all others. */
#define OK	0
#define EEXIST	1
#define EBUSY	2
#define EINTR	3
#define ENOMEM	4
#define EFAIL	5

/* Names, and mod->state. GONE: the module is not in the list of modules. */
#define A		0
#define B		1
#define GONE		0
#define UNFORMED	1
#define COMING		2
#define IS_LIVE		3
#define GOING		4

typedef record {
	bit allocated;
	bit listed;		/* on running_loads */
	bit named;
	bit removal;
	bit failing;
	bit late;
	bit enomem;
	bit done;		/* the completion */
	bit dead;		/* PF_EXITING */
	unsigned need : 2;
	unsigned owner : 3;
	unsigned outcome : 2;
	unsigned err : 3;
	/* Not in the kernel: */
	unsigned from : 3;	/* the request whose failure err is */
	unsigned joined : 8;	/* the failures observed when it last claimed something */
	bit saw_live		/* its module was live at some time since it began */
};
record rec[N + 1];

/* All waiters in the order of their waits */
byte queue[N];
byte queued;

/* The requests, constant */
bit name[N + 1];
byte file[N + 1];		/* 0: init_module() */
byte image[N + 1];		/* the build ID */
bit args[N + 1];

byte state[2];
byte signals, deaths;
bit patient;			/* waits for removals and symbols can elapse */

/* Not in the kernel: */
byte began;			/* requests 1 to began have begun, if they are of one kind */
byte observed;			/* the failures observed so far */
bit died[2];			/* an owner of the name died */
bit gave_up;			/* a wait for a removal, or a symbol, elapsed */
byte nomems;			/* loads that failed with ENOMEM before init */

/* Temporary values of one step, not part of the state */
hidden byte n, r, k, k2, j, is_shared, heir[2];
#ifndef BREAK_COMPLETE_FIRST
hidden byte c;
#endif

#define USE(r)		assert(rec[r].allocated /* not freed */)
#define KIND(i)		(name[i] * 32 + file[i] * 8 + image[i] * 2 + args[i])
#define OWNS_FILE(i, f)	(rec[i].listed && file[i] == (f))
#define OWNS_NAME(i, n)	(rec[i].listed && rec[i].named && name[i] == (n))

/* A request is queued while it has an owner. */
inline append(r)
{
	queue[queued] = r;
	queued++
}

/* Unlink the waiter at queue[k]. */
inline unlink_at(k)
{
	queued--;
	j = k;
	do
	:: j < queued -> queue[j] = queue[j + 1]; j++
	:: else -> break
	od;
	queue[queued] = 0;
	j = 0
}

inline unlink(r)
{
	k = 0;
	do
	:: queue[k] != r -> k++
	:: else -> break
	od;
	unlink_at(k);
	k = 0
}

/* Set "found" to the owner or 0. No record on running_loads is freed. */
inline find_owner(what, n, f, found)
{
	found = 1;
	do
	:: found <= N ->
		assert(!rec[found].listed || rec[found].allocated /* not freed */);
		if
		:: what == FILE && OWNS_FILE(found, f) -> break
		:: what != FILE && OWNS_NAME(found, n) -> break
		:: else -> found++
		fi
	:: else -> break
	od;
	found = (found > N -> 0 : found)
}

inline set_result(r, to, error)
{
	rec[r].outcome = to;
	rec[r].err = error;
#ifdef BREAK_STAYS_LISTED
	if
	:: rec[r].named -> rec[r].listed = 0
	:: else
	fi
#else
	rec[r].listed = 0
#endif
}

/* "any": init returned the error */
inline set_failed(r, error, any)
{
	rec[r].err = error;
	rec[r].from = r;
	if
	:: error == ENOMEM && !any && nomems < 2 -> nomems++
	:: else
	fi;
	if
	:: error == EINTR -> rec[r].outcome = RETRY
#ifndef BREAK_ENOMEM_SHARED
	:: error == ENOMEM && !any && !rec[r].enomem -> rec[r].outcome = RETRY
#endif
	:: else -> rec[r].outcome = FAILED
	fi
}

inline take_over(r)
{
	k2 = 1;
	do
	:: k2 <= N ->
		assert(rec[r].need != FILE || k2 == r || !OWNS_FILE(k2, file[r])
		       /* one owner of a file */);
		assert(rec[r].need != NAME || k2 == r || !OWNS_NAME(k2, name[r])
		       /* one owner of a name */);
		k2++
	:: else -> break
	od;
	k2 = 0;
	rec[r].named = (rec[r].need == NAME);
	rec[r].listed = 1
}

inline clear_late(r)
{
	rec[r].late = 0;
#ifndef BREAK_LATE_KEPT
	k2 = 0;
	do
	:: k2 < queued ->
		if
		:: rec[queue[k2]].owner == r -> rec[queue[k2]].late = 0
		:: else
		fi;
		k2++
	:: else -> break
	od;
	k2 = 0
#endif
}

/* A waiter for a file has no build ID yet. */
#ifdef BREAK_SHARED_BY_ALL
#define IS_SAME(a, b)	true
#else
#define IS_SAME(a, b)	(args[a] == args[b] && ((file[a] && file[a] == file[b]) || \
						(rec[b].need == NAME && image[a] == image[b])))
#endif

#ifdef BREAK_SYMBOL_AS_NAME
#define FOR_SYMBOL(r)	false
#else
#define FOR_SYMBOL(r)	(rec[r].need == SYMBOL)
#endif

/* First half of deliver_and_unlock(), with loads_lock held: fill the set "delivered". */
inline deliver(o)
{
	USE(o);
	heir[0] = 0;
	heir[1] = 0;
	k = 0;
	n = queued;
	do
	:: n > 0 ->
		n--;
		r = queue[k];
		if
		:: rec[r].owner != o -> k++
		:: else ->
			USE(r);
			unlink_at(k);
			is_shared = (rec[o].outcome != FAILED && rec[o].outcome != RETRY) ||
				    (rec[o].outcome == FAILED && !rec[r].late && IS_SAME(o, r));
			if
			:: FOR_SYMBOL(r) ->
				rec[r].err = (rec[o].outcome == BUSY -> EBUSY : OK);
				rec[r].owner = 0
			:: !FOR_SYMBOL(r) && is_shared ->
				assert(rec[o].outcome != FAILED ||
				       !(rec[r].joined & BIT(rec[o].from))
				       /* an error is not shared with later requests */);
				assert(rec[o].outcome != FAILED || rec[o].err != ENOMEM ||
				       nomems > 1
				       /* only the second ENOMEM is shared */);
				set_result(r, rec[o].outcome, rec[o].err);
				rec[r].from = rec[o].from;
				rec[r].owner = 0
			:: else ->
				assert(rec[o].outcome != FAILED || !IS_SAME(o, r) ||
				       (rec[r].joined & BIT(rec[o].from))
				       /* an error is shared with earlier requests */);
				clear_late(r);
				if
#ifdef BREAK_SYMBOL_AS_NAME
				:: rec[r].need == SYMBOL -> rec[r].need = NAME
#endif
				:: else
				fi;
				if
#ifndef BREAK_SECOND_FILE
				:: heir[rec[r].need] == 0 ->
					find_owner(rec[r].need, name[r], file[r], heir[rec[r].need])
#endif
				:: else
				fi;
				rec[r].owner = heir[rec[r].need];
				if
				:: rec[r].owner != 0 ->
#ifdef BREAK_NOT_MOVED
					rec[r].owner = o
#else
					USE(rec[r].owner);
					append(r)
#endif
				:: else ->
					heir[rec[r].need] = r;
					rec[r].enomem = (rec[o].err == ENOMEM);
					take_over(r)
				fi
			fi;
			if
			:: rec[r].owner == 0 -> delivered = delivered | BIT(r)
			:: else
			fi
		fi
	:: else -> break
	od;
	heir[0] = 0;
	heir[1] = 0;
	k = 0;
	r = 0;
	is_shared = 0
}

/* Second half: complete them in any order. list_del() touches the neighbours in the list. */
inline complete_delivered()
{
	do
	:: atomic {
		delivered != 0 ->
		d_step {
			c = 1;
			do
			:: c <= N ->
				assert(!(delivered & BIT(c)) || rec[c].allocated /* not freed */);
				c++
			:: else -> break
			od;
			c = 1
		};
		do
		:: !(delivered & BIT(c)) || (delivered >> (c + 1)) -> c++
		:: delivered & BIT(c) -> break
		od;
		assert(!rec[c].done);
		rec[c].done = 1;
#ifdef BREAK_COMPLETE_FIRST
	   };
	   atomic {
		USE(c);
#endif
		delivered = delivered & ~BIT(c);
		c = 0
	   }
	:: delivered == 0 -> break
	od
}

/* Callers drop loads_lock and call complete_delivered(). */
inline retire_dead(o)
{
	USE(o);
	set_result(o, (rec[o].named -> BUSY : RETRY), EBUSY);
#ifdef BREAK_DEAD_STAYS
	rec[o].listed = 1;
#endif
	deliver(o)
}

inline join(r, o)
{
	assert(!rec[r].done);
	rec[r].owner = o;
	rec[r].late = rec[o].failing;
#ifndef BREAK_LATE_FILE
	if
	:: rec[o].owner != 0 && rec[o].need == NAME ->
		USE(rec[o].owner);
		rec[r].late = rec[r].late | rec[rec[o].owner].failing
	:: else
	fi;
#endif
	append(r)
}

#ifdef BREAK_DEAD_IGNORED
#define DEAD(o)		false
#else
#define DEAD(o)		rec[o].dead
#endif

/* Set "left" if the request stops waiting. */
inline leave(me, must)
{
	do
	:: atomic {
		own = rec[me].owner;
		if
		:: own != 0 && DEAD(own) ->
			d_step { retire_dead(own) }
		:: else ->
			if
			:: own != 0 && (must || rec[own].removal) ->
				d_step {
					USE(own);
					if
					:: !must -> set_result(me, BUSY, EBUSY)
					:: else
					fi;
#ifndef BREAK_NOT_UNLINKED
					unlink(me);
					rec[me].owner = 0;
#endif
					left = 1
				}
			:: else
			fi;
			own = 0;
			break
		fi;
		own = 0
	   };
	   complete_delivered()
	od
}

/* Does the end of a period change anything for the waiters of o? */
#ifdef BREAK_NO_PATIENCE
#define CHECKED(o)	DEAD(o)
#else
#define CHECKED(o)	(DEAD(o) || (patient && rec[o].removal))
#endif

/* Set "err" to OK if the request is an owner, or must look for its symbol again. */
inline wait_for_result(me)
{
	do
	:: atomic {
		rec[me].done ->
		rec[me].done = 0;
		err = rec[me].err;
		break
	   }
	/* A signal. It may arrive just before the completion. */
	:: atomic {
		signals > 0 ->
		signals--;
		must = EINTR
	   };
	   leave(me, true);
	   break
	/* The end of a period, if it changes anything */
	:: atomic {
		rec[me].owner != 0 && CHECKED(rec[me].owner) ->
		gave_up = gave_up | rec[rec[me].owner].removal
	   };
	   leave(me, false);
	   if
	   :: left ->
		left = 0;
		err = EBUSY;
		break
	   :: else
	   fi
#if IMPORTERS
	/* 30 s are over. */
	:: atomic {
		patient && rec[me].need == SYMBOL ->
		gave_up = 1;
		must = EBUSY
	   };
	   leave(me, true);
	   break
#endif
	od;
	if
	:: must && left ->
		atomic { err = must; must = OK; left = 0 }
	:: must && !left ->
		/* The result is on its way. */
#ifdef BREAK_NO_WAIT
		atomic {
#else
		atomic {
			rec[me].done;
#endif
			rec[me].done = 0;
			err = rec[me].err;
			if
			:: err == OK && must == EINTR -> err = EINTR
			:: else
			fi;
			must = OK
		}
	:: else
	fi
}

inline shared_load_start(me)
{
	/* Requests of one kind differ in nothing else, so one order of them will do. */
	(me == 1 || KIND(me) != KIND(me - 1) || began & BIT(me - 1));
	began = began | BIT(me);
	rec[me].allocated = 1;
	rec[me].saw_live = (state[name[me]] == IS_LIVE)
}

#ifdef BREAK_TWO_STEPS
#define UNLOCK_AND_LOCK	}; atomic {
#else
#define UNLOCK_AND_LOCK
#endif

/* "first": the request begins with this step. That saves states. */
inline shared_load_claim(me, what, first)
{
	do
	:: atomic {
		if
		:: first && !rec[me].allocated -> shared_load_start(me)
		:: else
		fi;
		rec[me].need = what;
		d_step { find_owner(what, name[me], file[me], own) };
		UNLOCK_AND_LOCK
		if
		:: own != 0 && rec[own].dead ->
			d_step { retire_dead(own); own = 0 }
		:: else ->
			d_step {
				rec[me].joined = observed;
				if
				:: own != 0 -> join(me, own)
				:: own == 0 && (what == FILE || state[name[me]] == GONE) ->
					take_over(me)
				:: own == 0 && what == NAME && state[name[me]] == IS_LIVE ->
					set_result(me, LIVE, EEXIST);
					err = EEXIST
				:: else ->
					set_result(me, BUSY, EBUSY);
					err = EBUSY
				fi
			};
			break
		fi
	   };
	   complete_delivered()
	od;
	if
	:: own != 0 ->
		own = 0;
		wait_for_result(me)
	:: else
	fi
}

/* The task of an owner dies in the middle of its request. */
#define MAY_DIE							\
	:: deaths > 0 ->					\
		deaths--;					\
		rec[me].dead = 1;				\
		died[name[me]] = died[name[me]] | rec[me].named;\
		goto dead

/* module_mutex is held, so that there is no other removal. */
inline shared_load_going(me)
{
	d_step {
		rec[me].removal = 1;
		rec[me].need = NAME;
		take_over(me);
		state[A] = GOING
	}
}

/* Set "err" to OK if the request must look for its symbol again. */
inline shared_load_wait_symbol(me)
{
	do
	:: atomic {
		rec[me].need = SYMBOL;
		d_step { find_owner(SYMBOL, A, 0, own) };
		err = OK;
		if
		:: own != 0 && rec[own].dead ->
			d_step { retire_dead(own); own = 0 }
		:: else ->
			if
			:: own != 0 && state[A] == COMING ->
				d_step { join(me, own) }
			:: own == 0 && state[A] == COMING ->
				err = EBUSY
			:: else ->
				own = 0
			fi;
			break
		fi
	   };
	   complete_delivered()
	od;
	if
	:: own != 0 ->
		own = 0;
		wait_for_result(me)
	:: else
	fi
}

/* "any": init returned the error */
inline shared_load_failing(me, any)
{
	d_step {
#ifndef BREAK_NOT_FAILING
		rec[me].failing = 1;
#endif
		observed = observed | BIT(me);
		if
		:: any -> set_failed(me, err, true)
		:: else
		fi
	}
}

inline shared_load_live(me)
{
#ifdef BREAK_LIVE_FIRST
	state[name[me]] = IS_LIVE;
#endif
	d_step {
#ifndef BREAK_LIVE_LATER
		state[name[me]] = IS_LIVE;
#endif
		k = 1;
		do
		:: k <= LOADERS ->
			rec[k].saw_live = rec[k].saw_live |
					  (rec[k].allocated && name[k] == name[me]);
			k++
		:: else -> break
		od;
		k = 0;
		made_live = 1;
		set_result(me, LIVE, EEXIST);
		deliver(me)
	}
#ifdef BREAK_LIVE_LATER
	;
	state[name[me]] = IS_LIVE
#endif
	;
	complete_delivered()
}

/* Check the result of a request. */
inline check(me)
{
	assert((err == OK) == (made_live || rec[me].removal) /* 0 once for each load */);
	assert(err != EEXIST || rec[me].saw_live /* -EEXIST only if it was live */);
	assert(err != EBUSY || died[A] || died[B] || gave_up /* -EBUSY with a reason */);
	assert(err < ENOMEM || rec[me].from == me ||
	       (args[me] == args[rec[me].from] && image[me] == image[rec[me].from])
	       /* the error of the same request */)
}

inline shared_load_end(me)
{
	atomic {
		d_step {
			if
			:: err != OK && rec[me].outcome == RETRY -> set_failed(me, err, false)
			:: else
			fi;
			check(me);
#ifndef BREAK_LEAVE_LATER
			rec[me].listed = 0;
#endif
			if
			:: rec[me].outcome == FAILED && rec[me].from == me ->
				observed = observed | BIT(me)
			:: else
			fi;
			if
#ifdef BREAK_NO_HANDOVER
			:: err == EINTR
#endif
			:: else -> deliver(me)
			fi
		}
	};
#ifdef BREAK_LEAVE_LATER
	rec[me].listed = 0;
#endif
	complete_delivered();
	/* kfree() */
	atomic {
		USE(me);
		d_step {
			rec[me].allocated = 0;
			rec[me].named = 0;
			rec[me].removal = 0;
			rec[me].failing = 0;
			rec[me].late = 0;
			rec[me].enomem = 0;
			rec[me].done = 0;
			rec[me].need = 0;
			rec[me].outcome = 0;
			rec[me].err = 0;
			rec[me].from = 0;
			rec[me].joined = 0;
			rec[me].saw_live = 0
		}
	}
}

/* The owner of a name does this from layout_and_allocate() on. */
inline load_module(me)
{
	atomic {
		if
#ifndef FEW
		:: err = ENOMEM
#endif
		MAY_DIE
		:: assert(state[name[me]] == GONE /* no two loads */);
		   state[name[me]] = UNFORMED
		fi
	};
#if IMPORTERS
	/* simplify_symbols() */
	do
	:: err != OK || name[me] == A -> break
	:: err == OK && name[me] == B ->
		/* resolve_symbol() */
		atomic {
			if
			:: state[A] == COMING -> skip
			:: state[A] == IS_LIVE -> break
			:: else -> err = EFAIL
			fi
		};
		if
		:: err == OK -> shared_load_wait_symbol(me)
		:: else
		fi;
		if
		:: err != OK ->
			shared_load_failing(me, false)
		:: else
		fi
	od;
#endif
	if
	:: err == OK ->
#if IMPORTERS
		/* complete_formation() */
		state[name[me]] = COMING;
#endif
		/* do_init_module() */
		atomic {
			if
			:: err = EFAIL
#ifndef FEW
			:: err = EINTR
#endif
			MAY_DIE
			:: true
			fi
		};
		if
		:: err != OK -> shared_load_failing(me, true)
		:: else -> shared_load_live(me)
		fi
	:: else
	fi;
	if
	:: !made_live && state[name[me]] != GONE ->
#if IMPORTERS
		state[name[me]] = GOING;
#endif
		/* free_module() */
		state[name[me]] = GONE
	:: else
	fi
}

proctype init_module(byte me)
{
	byte err, own, delivered, must;
	bit left, made_live;
#ifdef BREAK_COMPLETE_FIRST
	byte c;
#endif

	if
	:: file[me] ->
		shared_load_claim(me, FILE, true);
		if
		:: err == OK ->
			/* kernel_read_file() and the checks before the claim of the name */
			atomic {
				if
				:: skip
#ifndef FEW
				:: err = EFAIL
				:: err = EINTR
#endif
				MAY_DIE
				fi
			}
		:: else
		fi
	:: else
	fi;
	if
	:: err == OK ->
		shared_load_claim(me, NAME, true);
		if
		:: err == OK -> load_module(me)
		:: else
		fi
	:: else
	fi;
	atomic {
		if
		:: true
		MAY_DIE
		fi
	};
	shared_load_end(me);
dead:
	err = 0
}

/* The requests that the exit function waits for */
#define RUNS(i)		(rec[i].allocated && !rec[i].dead)

proctype delete_module(byte me)
{
	byte err, own, delivered;
	bit made_live;
#ifdef BREAK_COMPLETE_FIRST
	byte c;
#endif

end:
	atomic {
		state[A] == IS_LIVE ->
		rec[me].allocated = 1;
#ifdef BREAK_GOING_FIRST
		state[A] = GOING
	};
	atomic {
#endif
		shared_load_going(me)
	};
	/* The exit function */
#ifdef EXIT_WAITS
	!RUNS(1) && !RUNS(2 % (LOADERS + 1)) && !RUNS(3 % (LOADERS + 1));
#endif
	atomic {
		if
		MAY_DIE
		:: state[A] = GONE
		fi
	};
	shared_load_end(me);
dead:
	err = 0
}

/* A module in the list that is not live has an owner, or the owner died. */
#if N < 6
#define OWNED(n)	(OWNS_NAME(1, n) || OWNS_NAME(2 % (N + 1), n) || \
			 OWNS_NAME(3 % (N + 1), n) || OWNS_NAME(4 % (N + 1), n) || \
			 OWNS_NAME(5 % (N + 1), n))
#endif
#define ORPHANED(n)	(state[n] != GONE && state[n] != IS_LIVE && !died[n] && !OWNED(n))

proctype invariant()
{
end:
	atomic {
		ORPHANED(A) || (IMPORTERS > 0 && ORPHANED(B)) ->
		assert(false /* a module is not live, and its name has no owner */)
	}
}

/* Choose the way of request i. */
inline choose(i)
{
#ifdef MIXED
	image[i] = 1;
	file[i] = (i > 1);
	args[i] = (i > 2)
#else
	if
#if WAYS & 1
	:: file[i] = 1; image[i] = 1
#endif
#if WAYS & 2
	:: file[i] = 2; image[i] = 1
#endif
#if WAYS & 4
	:: image[i] = 1
#endif
#if WAYS & 8
	:: image[i] = 2
#endif
	fi;
	if
	:: true
#if WAYS & 16
	:: args[i] = 1
#endif
	fi
#endif
}

init {
	byte i = 1;

	atomic {
		if
		:: SIGNALS > 0 -> signals = SIGNALS
		:: true
		fi;
		if
		:: DEATHS > 0 -> deaths = DEATHS
		:: true
		fi;
		if
		:: PATIENT > 0 -> patient = 1
#ifndef EXIT_WAITS
		:: true
#endif
		fi;
		do
		:: i <= LOADERS ->
			if
			:: i > LOADS -> name[i] = B
			:: else
			fi;
			if
			:: i <= LOADS -> choose(i)
			:: else -> image[i] = 1
			fi;
			/* One order of the kinds will do. */
			if
			:: i > 1 && KIND(i) < KIND(i - 1) -> goto chosen
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 1;
		do
		:: i <= LOADERS -> run init_module(i); i++
		:: i > LOADERS && i <= N -> run delete_module(i); i++
		:: else -> break
		od;
		run invariant()
	};
chosen:
	i = 0
}
