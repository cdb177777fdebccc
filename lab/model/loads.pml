/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The protocol of kernel/module/shared_load.c: LOADERS requests to load one
 * module, at most one signal to any of them, REMOVERS removals and SYMBOLS loads
 * of another module, which needs a symbol of this one.
 *
 * Each inline here has the name of the function that it stands for; comments say
 * what became of the rest. How to read it, and what is left out: README.md.
 *
 *	-DWAYS=n	which ways to ask are tried: see choose()
 *	-DFINE		loads_lock is a lock, and what it protects is not one step
 *	-DBREAK_...	a mistake, for spin to find
 */

#ifndef LOADERS
#define LOADERS 3
#endif
#ifndef REMOVERS
#define REMOVERS 1
#endif
#ifndef SYMBOLS
#define SYMBOLS 0
#endif
#define RECORDS	(LOADERS + REMOVERS)
#define NONE	RECORDS
#ifndef SIGNALS
#define SIGNALS 1
#endif

#define yes	true
#define no	false

/* enum shared_load_outcome */
#define OWN	0
#define LIVE	1
#define REFUSED	2
#define BROKEN	3

/* Answers, one for each kind that matters. */
#define OK		0
#define EEXIST		1
#define ERESTARTSYS	2
#define ENOMEM		3	/* and what else is the task's own reason */
#define ENOEXEC		4	/* and what else is wrong with an image */
#define ENODEV		5	/* what the init function returned, or -EBUSY */
#define EAGAIN		6	/* within find_or_claim() alone */

/* mod->state; GONE: find_module_all() does not find it. */
#define GONE		0
#define COMING		1
#define IS_LIVE		2
#define GOING		3

/* struct shared_load_info: the record of request i is rec[i]. */
typedef record {
	byte refs;		/* 0: freed, or not made yet */
	bool listed;		/* !list_empty(&load->list) */
	bool named;
	bool is_live;
	bool peeked;
	bool ended;
	byte outcome;
	byte err;
	byte from;		/* whose failure err was first of all */
	bool written;		/* err and outcome will not change any more */
#ifdef BREAK_WAKE_ONCE
	byte sleepers;
#endif
};
record rec[RECORDS];

/* What a request asks for; never changed once it runs. */
#define BY_PEEK		0	/* init_module() */
#define BY_COPY		1	/* the same, but the peek makes nothing of the image */
#define BY_FILE1	2	/* finit_module() */
#define BY_FILE2	3	/* finit_module() of another file of the same module */
byte way[LOADERS];
bool args[LOADERS], flags[LOADERS];

byte signals;			/* how many are still to come */
bool sig[LOADERS];		/* signal_pending() */
bool module_mutex;
#ifdef FINE
bool loads_lock;
#endif
byte state = GONE;

/* What is promised, and nothing in the kernel. */
byte leaders;			/* who works on the name */
bool exists;			/* live, and no removal has said otherwise */
bool saw_live[LOADERS];		/* it was live at a time since the request began */
bool began[LOADERS];

/* Whatever tells one request from another. */
#define KIND(i)	(way[i] * 4 + args[i] * 2 + flags[i])

#define WITH_FILE(i)	(way[i] >= BY_FILE1)
#define SAME_FILE(a, b)	(WITH_FILE(a) && (b) < LOADERS && way[a] == way[b])

/* The memory of record r is looked at, or written. */
#define USE(r)		assert(rec[r].refs > 0 /* not freed */)

/*
 * Whoever looks at what loads_lock protects holds it, so that what happens while
 * it is held may as well happen in one step. What is looked at without it, a
 * request's own record, nobody else changes then.
 *
 * Likewise STEP: it joins a step that others can see with some before it that
 * only take locks or touch what nobody else looks at then, and some after it that
 * only release locks, or references. All that could come between makes no
 * difference if it comes before, or after (Lipton's reduction).
 *
 * FINE does without these arguments, at the price of many more states.
 */
#ifdef FINE
#define LOADS_LOCK	atomic { !loads_lock; loads_lock = true };
#define LOADS_UNLOCK	; loads_lock = false
#define STEP
#else
#define LOADS_LOCK	atomic {
#define LOADS_UNLOCK	}
#define STEP		atomic
#endif

#define MUTEX_LOCK	atomic { !module_mutex; module_mutex = true }
#define MUTEX_UNLOCK	module_mutex = false

/* shared_load_alloc(), shared_load_start() */
inline shared_load_start(load)
{
	rec[load].refs = 1
}

inline shared_load_put(r)
{
	d_step {
		USE(r);
		rec[r].refs--;
		if
		:: rec[r].refs == 0 ->
			/* Fewer states: nobody looks at what it was. */
			rec[r].named = false;
			rec[r].is_live = false;
			rec[r].peeked = false;
			rec[r].ended = false;
			rec[r].outcome = OWN;
			rec[r].err = OK;
			rec[r].from = 0;
			rec[r].written = false
		:: else
		fi
	}
}

#define HAS_FILE(r, load)	(rec[r].listed && r != load && SAME_FILE(load, r))
#define HAS_NAME(r, load)	(rec[r].listed && r != load && rec[r].named)

/* refcount_inc(): under loads_lock, unless that is the mistake. */
inline get(r)
{
	d_step {
		USE(r);
		rec[r].refs++
	}
}

/* find_other(), of which this is the loop; loads_lock is held. */
inline find_other(has, found)
{
	d_step {
		found = 0;
		do
		:: found < RECORDS && !(has) -> found++
		:: else -> break
		od;
#ifndef BREAK_LATE_REFERENCE
		if
		:: found != NONE -> USE(found); rec[found].refs++
		:: else
		fi
#endif
	}
}

/* Called with module_mutex held. */
inline shared_load_find(load, found)
{
	LOADS_LOCK
		find_other(HAS_NAME(found, load), found)
	LOADS_UNLOCK
}

/* Called with loads_lock held. */
inline set_name(load)
{
	assert(load >= LOADERS || !WITH_FILE(load) || rec[load].listed /* one for a file */);
	rec[load].named = true;
	rec[load].listed = true
}

/* Called with loads_lock held. */
inline set_live(load)
{
	rec[load].named = false;
	rec[load].is_live = true
}

/* Called with module_mutex held. */
inline shared_load_live(load)
{
	LOADS_LOCK
		set_live(load)
	LOADS_UNLOCK;
	rec[load].outcome = LIVE
	/* wake_waiters(): who waits for a symbol looks again */
}

/* merge(): err is what its caller returns. */
inline merge(load, to, error, whose)
{
	rec[load].outcome = to;
	from = whose;
	err = error
}

/* Looks at a record that nobody changes any more, and at the request's own. */
inline shared_outcome(load, running)
{
	d_step {
		USE(running);
		assert(rec[running].written /* no outcome is read too early */);
		err = OK;
		if
		:: rec[running].outcome == OWN
		:: rec[running].outcome == LIVE ->
			if
#ifndef BREAK_FORGET_FILE
			:: rec[load].listed
#endif
			:: else -> merge(load, LIVE, EEXIST, load)
			fi
		:: rec[running].outcome == BROKEN ->
			if
			:: rec[running].peeked -> rec[load].peeked = false
			:: else
			fi;
			if
			:: SAME_FILE(load, running) && flags[load] == flags[running] &&
			   args[load] == args[running] ->
				merge(load, BROKEN, rec[running].err, rec[running].from)
			:: else
			fi
		:: rec[running].outcome == REFUSED ->
			if
			:: args[load] == args[running] ->
				merge(load, REFUSED, rec[running].err, rec[running].from)
			:: else
			fi
		fi
	}
}

/* A signal, to be seen by the request that it comes to, where it makes a difference. */
#define INTERRUPTED(load)	(sig[load] || signals > 0)
inline interrupt(load)
{
	d_step {
		if
		:: sig[load]
		:: else -> sig[load] = true; signals--
		fi
	}
}

#ifdef BREAK_WAKE_ONCE
/* As if nobody looked at "ended" before it sleeps. */
#define SLEEP_ON(r, me)	d_step { USE(r); rec[r].sleepers = rec[r].sleepers | (1 << me) };
#define WOKEN(r, me)	((rec[r].sleepers & (1 << me)) == 0)
#define WAKE(r)		rec[r].sleepers = 0;
#else
#define SLEEP_ON(r, me)
#define WOKEN(r, me)	rec[r].ended
#define WAKE(r)
#endif

/* wait_for_outcome() begins, and goes on after its sleep. */
#ifdef BREAK_LATE_REFERENCE
#define SLEEP(r, me)	get(r);
#else
#define SLEEP(r, me)	SLEEP_ON(r, me)
#endif
inline wake_up(load, running)
{
	if
	:: WOKEN(running, load) ->
		shared_outcome(load, running)
	:: INTERRUPTED(load) ->
		interrupt(load);
		err = ERESTARTSYS
	fi;
	shared_load_put(running);
	running = NONE
}

inline shared_load_claim_file(load)
{
	do
	:: true ->
		STEP {
			LOADS_LOCK
				find_other(HAS_FILE(running, load), running);
				is_live = false;
				if
				:: running != NONE -> is_live = rec[running].is_live
				:: else -> rec[load].listed = true
				fi
			LOADS_UNLOCK;
			if
			:: running == NONE ->
				err = OK;
				break
			:: running != NONE && is_live ->
#ifdef BREAK_LATE_REFERENCE
				get(running);
#endif
				shared_load_put(running);
				running = NONE;
				is_live = false;
				merge(load, LIVE, EEXIST, load);
				break
			:: else
			fi
		};
		SLEEP(running, load)
		STEP {
			wake_up(load, running);
			if
			:: err != OK -> break
			:: else
			fi
		}
	od
}

inline lead()
{
	d_step {
		leaders++;
		assert(leaders == 1 /* at most one leader */)
	}
}

/* Called with loads_lock held. */
inline claim_unused(load)
{
	if
	:: state == IS_LIVE ->
		set_live(load);
		merge(load, LIVE, EEXIST, load)
	:: state == GONE ->
		set_name(load);
		lead();
		err = OK
	:: else ->
		/* Nothing but a removal is ahead of its own record, for a moment. */
		assert(state == GOING /* somebody works on it without a record */);
		err = EAGAIN
	fi
}

inline claim_name(load, peek)
{
	do
	:: true ->
		/* shared_load_claim(): nothing to do after a peek */
		if
		:: !peek && rec[load].named ->
			rec[load].peeked = false;
			err = OK;
			break
		:: else
		fi;
		/* find_or_claim(): who has nothing to note takes no lock */
		if
		:: !rec[load].listed && state == IS_LIVE ->
			merge(load, LIVE, EEXIST, load);
			break
		:: else
		fi;
		STEP {
			rec[load].peeked = peek;
			LOADS_LOCK
#ifdef BREAK_TAKE_OVER
				/* As if a take-over were as good as a claim. */
				if
				:: took_over -> running = NONE
				:: else -> find_other(HAS_NAME(running, load), running)
				fi;
#else
				find_other(HAS_NAME(running, load), running);
#endif
#ifndef BREAK_TWO_QUESTIONS
				if
				:: running == NONE -> claim_unused(load)
				:: else
				fi
#endif
			LOADS_UNLOCK
		};
#ifdef BREAK_TWO_QUESTIONS
		LOADS_LOCK
			if
			:: running == NONE -> claim_unused(load)
			:: else
			fi
		LOADS_UNLOCK;
#endif
		if
		:: running == NONE && err == EAGAIN ->
			MUTEX_LOCK;
			MUTEX_UNLOCK
		:: running == NONE && err != EAGAIN -> break
		:: else ->
			SLEEP(running, load)
			STEP {
				wake_up(load, running);
#ifdef BREAK_TAKE_OVER
				took_over = true;
#endif
				if
				:: err != OK || rec[load].peeked != peek -> break
				:: else
				fi
			}
		fi
	od
}

/* If init gave up because of a signal, the outcome stays the task's own. */
inline shared_load_refused(load)
{
	if
	:: rec[load].outcome = REFUSED
	:: INTERRUPTED(load) -> interrupt(load)
	fi
}

/* Called with module_mutex held since the module was live; releases it. */
inline shared_load_removing(load)
{
	STEP {
		LOADS_LOCK
			d_step {
#ifndef BREAK_REMOVED_STAYS
				running = 0;
				do
				:: running < RECORDS ->
					if
					:: rec[running].listed && rec[running].is_live ->
						USE(running);
						rec[running].listed = false
					:: else
					fi;
					running++
				:: else -> break
				od;
#endif
				running = NONE;
				exists = false
			};
			set_name(load);
			lead()
		LOADS_UNLOCK;
		MUTEX_UNLOCK
	}
}

#ifdef BREAK_SHARE_OWN
#define OWN_REASON(err)	false
#else
#define OWN_REASON(err)	(err == ENOMEM)
#endif

inline write_outcome(load)
{
	rec[load].err = err;
	rec[load].from = from;
	/* signal_pending(): yes, not yet, or no */
	if
	:: load < LOADERS && INTERRUPTED(load) -> interrupt(load)
	:: load >= LOADERS || !sig[load] ->
		if
		:: rec[load].outcome == OWN && err != OK && !OWN_REASON(err) ->
			rec[load].outcome = BROKEN
		:: else
		fi
	fi;
	rec[load].written = true
}

/* The contract; for a removal, err is always OK. */
inline check(load)
{
	if
	:: load < LOADERS ->
		assert((err == OK) == owes_zero /* exactly one 0 for a load */);
		assert(err != EEXIST || saw_live[load] /* EEXIST, but not live */);
		assert(err != ERESTARTSYS || sig[load] /* interrupted by nothing */);
		if
		:: err >= ENOMEM && from != load ->
			assert(err != ENOMEM /* another task's own reason */);
			assert(args[load] == args[from] /* other parameters */);
			assert(err != ENOEXEC || SAME_FILE(load, from) &&
			       flags[load] == flags[from] /* another image */)
		:: else
		fi
	:: else
	fi
}

inline shared_load_end(load)
{
#ifdef BREAK_EARLY_PUT
	shared_load_put(load);
#endif
#ifdef BREAK_EARLY_DONE
	write_outcome(load);
	rec[load].ended = true;
#endif
	STEP {
		check(load);
#ifndef BREAK_LATE_OUTCOME
		write_outcome(load);
#endif
		LOADS_LOCK
			d_step {
				USE(load);
				if
				:: rec[load].named && rec[load].listed -> leaders--
				:: else
				fi;
				rec[load].listed = false;
				rec[load].ended = true
			}
		LOADS_UNLOCK
	};
	STEP {
		/* wake_up_all(): those who sleep see that it has ended. */
		USE(load);
		WAKE(load)
#ifdef BREAK_LATE_OUTCOME
	};
	STEP {
		write_outcome(load);
#endif
#ifndef BREAK_EARLY_PUT
		shared_load_put(load);
#endif
		/* Fewer states. */
		d_step {
			err = OK;
			from = 0;
			owes_zero = false;
			if
			:: load < LOADERS ->
				saw_live[load] = false;
				sig[load] = false
			:: else
			fi
		}
	}
}

/*
 * What may be wrong before the name is known for sure: copy_module_from_user(),
 * kernel_read_file(), load_module() up to shared_load_claim().
 */
inline read_image(load)
{
	if
	:: err = OK
	:: err = ENOMEM
	/* A broken image, or, after a peek, one with another name. */
	:: err = ENOEXEC
	fi
}

/* load_module() from layout_and_allocate() on, and do_init_module() */
inline work(load)
{
	/* add_unformed_module(), complete_formation() */
	STEP {
		MUTEX_LOCK;
		assert(state == GONE /* no two loads at a time */);
		state = COMING;
		MUTEX_UNLOCK;
		if
		:: err = ENOMEM
		:: err = ENOEXEC
		:: err = ENODEV; shared_load_refused(load)
		:: err = OK
		fi
	};
	if
	:: err != OK ->
		state = GOING;
		/* free_module() */
		STEP {
			MUTEX_LOCK;
			state = GONE;
			MUTEX_UNLOCK
		}
	:: else ->
#ifdef BREAK_LIVE_UNLOCKED
		shared_load_live(load);
		leaders--;
#endif
		STEP {
			MUTEX_LOCK;
			d_step {
				state = IS_LIVE;
				exists = true;
				owes_zero = true;
				running = 0;
				do
				:: running < LOADERS ->
					saw_live[running] = true;
					running++
				:: else -> break
				od;
				running = NONE
			};
#ifndef BREAK_LIVE_UNLOCKED
			shared_load_live(load);
			leaders--;
#endif
			MUTEX_UNLOCK
		}
		/* Notifiers, init memory and so on: it can be removed by now. */
	fi
}

/* init_module(), or finit_module(), which is shared_init_module() */
proctype loader(byte me)
{
	byte running = NONE, err = OK, from = me;
	bool is_live = false, owes_zero = false;
#ifdef BREAK_TAKE_OVER
	bool took_over = false;
#endif

	atomic {
		/* Those who ask alike may as well come in this order. */
		(me == 0 || KIND(me) != KIND(me - 1) || began[me - 1]);
		began[me] = true;
		shared_load_start(me);
		saw_live[me] = exists
	};
	if
	:: way[me] == BY_PEEK -> claim_name(me, yes)
	:: WITH_FILE(me) -> shared_load_claim_file(me)
	:: else
	fi;
	if
	:: err == OK -> read_image(me)
	:: else
	fi;
	if
	:: err == OK -> claim_name(me, no)
	:: else
	fi;
	if
	:: err == OK -> work(me)
	:: else
	fi;
	shared_load_end(me)
}

/*
 * delete_module(), with force or not: the module's own count is left out. Nobody
 * would notice a removal of what is not live.
 */
proctype remover(byte me)
{
	byte running = NONE, err = OK, from = me;
	bool owes_zero = false;

end:
	atomic {
		state == IS_LIVE && !module_mutex;
		shared_load_start(me);
		MUTEX_LOCK;
		state = GOING	/* try_stop_module() */
	};
	shared_load_removing(me);
	/* The exit function, and then free_module(). */
	STEP {
		MUTEX_LOCK;
		assert(state == GOING /* no two at work */);
		state = GONE;
		MUTEX_UNLOCK
	};
	shared_load_end(me)
}

/* resolve_symbol_wait(), but for its limit of time */
proctype needs_symbol()
{
	byte running = NONE;

	do
	:: true ->
		/* resolve_symbol() */
		STEP {
			MUTEX_LOCK;
			if
			:: state == COMING ->
				shared_load_find(NONE, running);
				assert(running != NONE /* somebody loads it */)
			:: else
			fi;
			MUTEX_UNLOCK;
			if
			:: running == NONE -> break
			:: else
			fi
		};
		/* shared_load_wait() */
#ifdef BREAK_LATE_REFERENCE
		get(running);
#endif
		STEP {
			rec[running].is_live || rec[running].ended;
			shared_load_put(running);
			running = NONE
		}
	od
}

inline choose(i)
{
	if
#if WAYS & 1
	:: way[i] = BY_PEEK
#endif
#if WAYS & 2
	:: way[i] = BY_COPY
#endif
#if WAYS & 4
	:: way[i] = BY_FILE1
#endif
#if WAYS & 8
	:: way[i] = BY_FILE2
#endif
	fi;
	if
	:: args[i] = false
#if WAYS & 16
	:: args[i] = true
#endif
	fi;
	if
	:: flags[i] = false
#if WAYS & 32
	:: WITH_FILE(i) -> flags[i] = true
#endif
	fi;
	/* They differ in nothing else, so one order of them will do. */
	if
	:: i > 0 && KIND(i) < KIND(i - 1) -> goto done
	:: else
	fi
}

init {
	byte i;

	atomic {
		if
		:: signals = 0
		:: signals = SIGNALS
		fi;
		i = 0;
		do
		:: i < LOADERS -> choose(i); i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < LOADERS -> run loader(i); i++
		:: else -> break
		od;
		i = LOADERS;
		do
		:: i < RECORDS -> run remover(i); i++
		:: else -> break
		od;
#if SYMBOLS
		run needs_symbol()
#endif
	};
done:
	i = 0
}
