/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who waits for whom: ROOTS requests for some of MODULES modules whose init
 * functions request one another, in every way that fits in RECORDS requests at a
 * time. No circle of waiters may come of it, or spin ends in a state where nobody
 * can go on; and nobody may be refused if nothing asks in a circle.
 *
 * How a name is claimed is in loads.pml; here that is one step. How to read this,
 * and what is left out: README.md.
 *
 *	-DFILES		requests come by init_module() or by finit_module()
 *	-DSYMBOLS	modules need a symbol of another one
 *	-DREMOVAL	one more root removes a module whose exit function requests
 *	-DNOWAITS=n	so many requests by request_module_nowait(), too
 *	-DFORKS		an init function requests any set of modules at the same time
 *	-DKILLS=n	so many times, a task that waits for its helper is killed
 *	-DACYCLIC	modules ask for modules of a higher number only: nobody is refused
 *	-DBREAK_...	a mistake, for spin to find
 */

#ifndef MODULES
#define MODULES 3
#endif
#ifndef ROOTS
#define ROOTS 2
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef NOWAITS
#define NOWAITS 0
#endif
#ifndef RECORDS
#define RECORDS 7
#endif
#define NONE	RECORDS
#define NOTHING	MODULES

#define yes	true
#define no	false

/* The record of a request, and its request. */
typedef record {
	byte refs;		/* 0: not in use */
	bool listed;		/* on running_loads */
	bool named;
	bool is_live;
	bool ended;
	bool refused;
	bool by_file;
	byte module;
	byte serves;		/* the load whose init, or exit, waits for this request */
	byte waits_for;		/* the record that this request sleeps on */
	byte before;		/* in a walk */
	byte helpers;		/* how many requests this one's init waits for */
};
record rec[RECORDS];

/* mod->state, as far as it matters */
#define GONE	0
#define COMING	1
#define LIVE	2
byte state[MODULES];

byte asks[MODULES];		/* a bit for each module that init, or exit, requests */
byte needs[MODULES];		/* the module that has a symbol of it, or NOTHING */
byte kills = KILLS, nowaits = NOWAITS;

#define OK	0
#define FAILED	1
#define EDEADLK	2

#define USE(r)	assert(rec[r].refs > 0 /* not freed */)

/* All zero when it is freed, for fewer states. */
inline put(r)
{
	d_step {
		USE(r);
		rec[r].refs--;
		if
		:: rec[r].refs == 0 ->
			rec[r].named = false;
			rec[r].is_live = false;
			rec[r].ended = false;
			rec[r].refused = false;
			rec[r].before = 0;
			rec[r].by_file = false;
			rec[r].module = 0;
			rec[r].serves = 0;
			rec[r].waits_for = 0
		:: else
		fi
	}
}

inline new_request(r, m, load)
{
	d_step {
		r = 0;
		do
		:: rec[r].refs > 0 ->
			r++;
			assert(r < RECORDS /* the model has enough of them */)
		:: else -> break
		od;
		rec[r].refs = 1;
		rec[r].module = m;
		rec[r].serves = load;
		rec[r].waits_for = NONE
	};
#ifdef FILES
	if
	:: rec[r].by_file = true
	:: skip
	fi
#endif
}

#define IN(r)	(behind & (1 << (r)))

/*
 * Unless it is there, or waits for nothing any more. What is live waits for nothing here;
 * the kernel looks, for a notifier of that might ask for a module.
 */
inline walk_to(next, from)
{
	if
	:: !rec[next].ended && !rec[next].is_live && !IN(next) ->
		rec[next].before = from;
		behind = behind | (1 << next);
		more = true
	:: else
	fi
}

#ifdef BREAK_NO_OWN_WAIT
#define FOLLOW(i)	(rec[i].serves != NONE)
#else
#define FOLLOW(i)	true
#endif
#ifdef BREAK_ONLY_SLEEPERS
#define COUNTS(j)	(rec[j].waits_for != NONE)
#else
#define COUNTS(j)	true
#endif

/* Whether request "me" has closed a circle, in "hit". */
inline closes_circle(me)
{
	behind = 0;
	USE(rec[me].waits_for);
	walk_to(rec[me].waits_for, me);
	do
	:: more && !IN(me) ->
		more = false;
		i = 0;
		do
		:: i < RECORDS && IN(i) ->
			if
			:: rec[i].waits_for != NONE && !rec[i].refused && FOLLOW(i) ->
				USE(rec[i].waits_for);
				walk_to(rec[i].waits_for, i)
			:: else
			fi;
			j = 0;
			do
			:: j < RECORDS ->
				if
				:: rec[j].refs > 0 && rec[j].serves == i && COUNTS(j) ->
					walk_to(j, i)
				:: else
				fi;
				j++
			:: else -> break
			od;
			i++
		:: i < RECORDS && !IN(i) -> i++
		:: else -> break
		od
	:: else -> break
	od;
	hit = (IN(me) != 0);
	more = false;
	behind = 0
}

/* In "victim". */
inline choose_victim(me)
{
	victim = NONE;
	i = me;
	do
	:: true ->
		if
		:: victim == NONE && rec[i].waits_for != NONE &&
		   rec[i].serves == rec[i].before ->
			victim = i
		:: else
		fi;
		i = rec[i].before;
		if
		:: i == me -> break
		:: else
		fi
	od;
	/* There is one who serves a load of the circle: no outsider is refused. */
	assert(victim != NONE)
}

/* shared_load_starts_to_wait(), loads_lock held; but for its message */
inline starts_to_wait(me, r)
{
	d_step {
		rec[me].refused = false;
		rec[me].waits_for = r;
#ifndef BREAK_NO_WALK
		hit = true;
		do
		:: hit && !rec[me].refused ->
			closes_circle(me);
			if
			:: hit ->
#ifdef ACYCLIC
				assert(false /* refused, but there is no circle */);
#endif
				choose_victim(me);
				rec[victim].refused = true
#ifdef BREAK_ONE_VICTIM
				; hit = false
#endif
			:: else
			fi
		:: else -> break
		od;
#endif
		hit = false;
		victim = 0;
		i = 0;
		j = 0
	}
}

#ifdef BREAK_SLEEP_ON
#define REFUSED(me)	false
#else
#define REFUSED(me)	rec[me].refused
#endif

/*
 * sleep_on(): "r" has been found with a reference, which is put here. Others may
 * do anything between that and the walk.
 */
inline wait_for(me, r, condition)
{
#ifdef BREAK_WALK_FIRST
	atomic {
		starts_to_wait(me, r);
		rec[me].waits_for = NONE
	};
	rec[me].waits_for = r;
#else
	starts_to_wait(me, r);
#endif
	condition || REFUSED(me);
	atomic {
		/* shared_load_stops_waiting() */
		USE(r);
		err = (rec[me].refused -> EDEADLK : OK);
#ifndef BREAK_LATE_CLEAR
		rec[me].waits_for = NONE;
#endif
		put(r)
	}
#ifdef BREAK_LATE_CLEAR
	;
	rec[me].waits_for = NONE
#endif
}

inline find(cond, found)
{
	d_step {
		found = 0;
		do
		:: found < RECORDS && !(rec[found].listed && found != me &&
		   rec[found].module == m && (cond)) -> found++
		:: else -> break
		od;
	}
}

/* The other one has ended; was its answer good for this request? */
inline outcome()
{
	if
	:: err == OK -> err = FAILED
	:: err == OK
	:: else
	fi
}

/* __request_module(), for each module that init, or exit, asks for. */
inline ask_for_modules()
{
	atomic {
		other = 0;
		do
		:: other < MODULES ->
			if
			:: asks[m] & (1 << other) ->
				new_request(child, other, me);
				rec[me].helpers++;
				run request(child, no);
#if NOWAITS
			:: (asks[m] & (1 << other)) && nowaits > 0 ->
				nowaits--;
				new_request(child, other, NONE);
				run request(child, no);
#endif
			:: else
			fi;
			child = 0;
			other++
		:: else -> break
		od;
		other = 0
	};
	if
	:: atomic {
		rec[me].helpers == 0
	   }
#if KILLS
	:: atomic {
		kills > 0 && rec[me].helpers > 0;
		kills--;
		rec[me].helpers = 0;
		/* Nothing waits for those requests any more. */
		other = 0;
		do
		:: other < RECORDS ->
			if
			:: rec[other].refs > 0 && rec[other].serves == me ->
				rec[other].serves = NONE
			:: else
			fi;
			other++
		:: else -> break
		od;
		other = 0;
		err = FAILED
	   }
#endif
	fi
}

proctype request(byte me; bool removal)
{
	byte m, r = NONE, err = OK, other = 0, child = 0;
	/* of the walk */
	byte i = 0, j = 0, victim = 0;
	int behind = 0;
	bool more = false, hit = false;

	atomic {
		m = rec[me].module;
		if
		:: removal ->
			if
			:: state[m] == LIVE ->
				/* shared_load_removing() */
				state[m] = COMING;
				rec[me].listed = true;
				rec[me].named = true;
				other = 0;
				do
				:: other < RECORDS ->
					if
					:: rec[other].listed && rec[other].is_live &&
					   rec[other].module == m ->
						rec[other].listed = false
					:: else
					fi;
					other++
				:: else -> break
				od;
				other = 0;
				goto claimed
			:: else -> goto ended
			fi
		:: else
		fi
	};
#ifdef FILES
	if
	:: rec[me].by_file ->
		/* shared_load_claim_file() */
		do
		:: atomic {
			find(rec[r].by_file, r);
			if
			:: r == NONE ->
				rec[me].listed = true;
				break
			:: r != NONE && rec[r].is_live ->
				err = FAILED;
				goto ended
			:: else -> rec[r].refs++
			fi;
			if
			:: err != OK -> goto ended
			:: else
			fi
		   };
		   wait_for(me, r, rec[r].ended);
		   outcome();
		   if
		   :: err != OK -> goto ended
		   :: else
		   fi
		od
	:: else
	fi;
#endif
	/* shared_load_claim() */
	do
	:: atomic {
		find(rec[r].named, r);
		if
		:: r == NONE && state[m] == LIVE ->
			rec[me].is_live = true;
			err = FAILED;
			goto ended
		:: r == NONE && state[m] != LIVE ->
			assert(state[m] == GONE);
			rec[me].listed = true;
			rec[me].named = true;
			break
		:: else -> rec[r].refs++
		fi;
		if
		:: err != OK -> goto ended
		:: else
		fi
	   };
	   wait_for(me, r, rec[r].ended);
	   outcome();
	   if
	   :: err != OK -> goto ended
	   :: else
	   fi
	od;
#ifdef SYMBOLS
	/* resolve_symbol_wait(): the owner must be there, and at work on its init */
	do
	:: atomic {
		if
		:: needs[m] != NOTHING && state[needs[m]] == COMING ->
			r = 0;
			do
			:: !(rec[r].listed && rec[r].named && rec[r].module == needs[m]) ->
				r++;
				assert(r < RECORDS /* somebody loads it */)
			:: else -> break
			od;
			rec[r].refs++
		:: else -> break
		fi;
		if
		:: err != OK -> goto ended
		:: else
		fi
	   };
	   wait_for(me, r, rec[r].is_live || rec[r].ended);
	   if
	   :: err != OK -> goto ended
	   :: else
	   fi
	od;
#endif
	state[m] = COMING;
claimed:
	ask_for_modules();
	/* What init makes of the answers is its own affair. */
	if
	:: !removal && err == OK ->
		atomic {
			state[m] = LIVE;
			rec[me].named = false;
			rec[me].is_live = true
		}
	:: true -> state[m] = GONE
	fi;
ended:
	/* shared_load_end(), and the helper ends as well */
	atomic {
		rec[me].listed = false;
		rec[me].ended = true
	};
	atomic {
		if
		:: rec[me].serves != NONE -> rec[rec[me].serves].helpers--
		:: else
		fi;
		rec[me].serves = NONE;
		put(me);
		m = 0;
		r = 0;
		err = OK
	}
}

inline any_module(x)
{
	x = 0;
	do
	:: x < MODULES - 1 -> x++
	:: break
	od
}

init {
	byte j, x, r;

	atomic {
		j = 0;
		do
		:: j < MODULES ->
#ifdef FORKS
			/* any set of them at the same time */
			x = 0;
			do
			:: x < (1 << MODULES) - 1 -> x++
			:: break
			od;
			asks[j] = x;
#else
			if
			:: any_module(x); asks[j] = 1 << x
			:: asks[j] = 0
			fi;
#endif
			needs[j] = NOTHING;
#ifdef SYMBOLS
			if
			:: any_module(x); needs[j] = x
			:: skip
			fi;
			/* A module has its own symbols. */
			if
			:: needs[j] == j -> goto done
			:: else
			fi;
#endif
#ifdef ACYCLIC
			if
			:: asks[j] & ((2 << j) - 1) -> goto done
			:: needs[j] < j -> goto done
			:: else
			fi;
#endif
			j++
		:: else -> break
		od;
		j = 0;
		do
		:: j < ROOTS ->
			any_module(x);
			new_request(r, x, NONE);
			run request(r, no);
			j++
		:: else -> break
		od;
#ifdef REMOVAL
		any_module(x);
		state[x] = LIVE;
		new_request(r, x, NONE);
		run request(r, yes);
#endif
	};
done:
	atomic {
		j = 0;
		x = 0;
		r = 0
	}
}
