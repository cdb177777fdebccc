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
 *	-DSTRICT	who is refused runs on behalf of a load
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
	bool live;		/* the completions */
	bool done;
	bool by_file;
	byte module;
	byte serves;		/* the load whose init, or exit, waits for this request */
	byte waits_for;		/* the record that this request sleeps on */
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
			rec[r].live = false;
			rec[r].done = false;
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

/*
 * The walk, loads_lock held: what has to end before what request "me" is about to
 * wait for can end? A request that sleeps keeps up its own load, and each load
 * that it serves, from the nearest to the farthest: that one's init waits for a
 * helper which is not asleep, but at work, and waits in its init. If anything that
 * "me" keeps up is among them, nobody would ever wake it.
 */
inline walk(me, r)
{
	d_step {
		behind = 1 << r;
		more = true;
		do
		:: more ->
			more = false;
			i = 0;
			do
			:: i < RECORDS ->
				if
				:: rec[i].refs > 0 && rec[i].waits_for != NONE ->
					USE(rec[i].waits_for);
					keeps_up(i, behind);
					if
					:: hit && !(behind & (1 << rec[i].waits_for)) ->
						behind = behind | (1 << rec[i].waits_for);
						more = true
					:: else
					fi
				:: else
				fi;
				i++
			:: else -> break
			od
		:: else -> break
		od;
		is_target(me, behind);
		behind = 0;
		i = 0;
		s = 0
	}
}

/* Does i keep up a load of the set? */
inline keeps_up(r, set)
{
	hit = false;
#ifdef BREAK_NO_OWN_WAIT
	s = rec[r].serves;
#else
	s = r;
#endif
	do
	:: s != NONE ->
		USE(s);
		if
		:: set & (1 << s) -> hit = true
		:: else
		fi;
#ifdef BREAK_NEAREST_HELPER
		if
		:: s != r -> break
		:: else
		fi;
#endif
		s = rec[s].serves
	:: else -> break
	od
}

inline is_target(me, set)
{
	hit = false;
#ifdef BREAK_NOT_ITSELF
	s = rec[me].serves;
#else
	s = me;
#endif
	do
	:: s != NONE ->
		USE(s);
		if
		:: set & (1 << s) -> hit = true
		:: else
		fi;
#ifdef BREAK_NEAREST_LOAD
		if
		:: s != me -> break
		:: else
		fi;
#endif
		s = rec[s].serves
	:: else -> break
	od
}

/* STRICT does not hold, but for modules asked for by name alone: see README.md. */
#ifdef STRICT
#define REFUSAL	assert(rec[me].serves != NONE)
#elif defined(ACYCLIC)
#define REFUSAL	assert(false /* refused, but there is no circle */)
#else
#define REFUSAL	skip
#endif

/*
 * Request "me" has found "r" under loads_lock, and still holds it: err, or it is
 * to sleep on "r", to which it has a reference.
 */
inline about_to_wait(me, r)
{
#ifndef BREAK_NO_WALK
	walk(me, r);
#endif
	if
	:: hit ->
		REFUSAL;
		err = EDEADLK
	:: else ->
		rec[r].refs++;
#ifndef BREAK_WALK_FIRST
		rec[me].waits_for = r;
#endif
		err = OK
	fi;
	hit = false
}

/* Sleeps on the completion of "r", and puts the reference. */
inline wait_for(me, r, completion)
{
#ifdef BREAK_WALK_FIRST
	rec[me].waits_for = r;
#endif
	completion;
	atomic {
		USE(r);
#ifndef BREAK_LATE_CLEAR
		rec[me].waits_for = NONE;	/* under loads_lock */
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
	:: err = OK
	:: err = FAILED
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
#ifndef BREAK_STALE_SERVES
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
#endif
		err = FAILED
	   }
#endif
	fi
}

proctype request(byte me; bool removal)
{
	byte m, r = NONE, err = OK, other = 0, child = 0;
	/* of the walk */
	byte i = 0, s = 0;
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
			:: else -> about_to_wait(me, r)
			fi;
			if
			:: err != OK -> goto ended
			:: else
			fi
		   };
		   wait_for(me, r, rec[r].done);
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
		:: else -> about_to_wait(me, r)
		fi;
		if
		:: err != OK -> goto ended
		:: else
		fi
	   };
	   wait_for(me, r, rec[r].done);
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
			about_to_wait(me, r)
		:: else -> break
		fi;
		if
		:: err != OK -> goto ended
		:: else
		fi
	   };
	   wait_for(me, r, rec[r].live)
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
			rec[me].is_live = true;
			rec[me].live = true
		}
	:: true -> state[m] = GONE
	fi;
ended:
	/* shared_load_end(), and the helper ends as well */
	rec[me].listed = false;
	atomic {
		rec[me].live = true;
		rec[me].done = true;
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
