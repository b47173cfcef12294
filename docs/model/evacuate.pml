/* SPDX-License-Identifier: Apache-2.0
 *
 * The recovery protocol in small: one instance, three hosts, two engines. docs/model/README.md says which step of the
 * code each step here is, and how to run it.
 *
 * Each option of a loop is one step, done at once. Any time may pass between two steps: no clock is here, so that what
 * the engine believes because some seconds have passed is believed too early in some history.
 *
 * Switches: FAULTS=n; OLD_x puts a former rule back; WRONG_YES, TWO_ENGINES: see the page. CHECK=n checks some
 * properties only, so that a counterexample is one of these.
 */

#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef CHECK
#define CHECK 23                /* the sum of the properties to check: see below */
#endif

#define HOSTS 3
#define REQUESTS 4
#define NOWHERE 3               /* no host */

/* Machines. LOST: Pacemaker has lost it; all that runs there goes on until it is fenced. GONE: off for good. */
#define ON 0
#define LOST 1
#define OFF 2
#define GONE 3

/* Flags; CLAIM + e is the claim of engine e. */
#define ABSENT 0
#define YES 1
#define NO 2
#define RESTART 3
#define CLAIM 4

/* Pacemaker's record of nova-compute; STARTING: the operation has begun and lasts. */
#define STOPPED 0
#define STARTING 1
#define STARTED 2

/* A request's stage. Nova tells all of them but the first; CUT: begun, and the nova-compute that had it is gone. */
#define FREE 0
#define IN_API 1                /* sent; Nova may still carry it out */
#define RECORDED 2              /* answered, or to be answered, by 200; on the bus */
#define SCHEDULING 3            /* the conductor has it; to[] is the host that is chosen already, if any */
#define QUEUED 4                /* on the bus, for a destination */
#define RUNNING 5               /* the destination has begun */
#define SPAWNED 6               /* its guest runs; the instance is active, without a task, still on its source */
#define CUT 7

#define NONE 0                  /* the instance's task */
#define REBUILDING 1
#define SPAWNING 2

/* Whose request may still be in Nova's API. One rule for both, so that they need not be told apart. */
#define OURS 1
#ifdef OLD_TAKEOVER
#define FORMER_ENGINES 2
#else
#define FORMER_ENGINES 1
#endif

/* What an engine has decided and not done yet. */
#define IDLE 0
#define TAKE_OUT 1
#define SEND 2
#define AWAIT_ANSWER 3
#define CLOSE 4
#define CLOSE_HELD 5
#define HOLD_BACK 6
#define LET_START 7
#define PUT_BACK 8
#define HEAL 9

byte faults = FAULTS;

byte machine[HOSTS];
byte flag[HOSTS];
byte record[HOSTS] = STARTED;
bool runs[HOSTS] = true;        /* nova-compute's process */
bool guest[HOSTS];
bool forced_down[HOSTS];
bool reported[HOSTS] = true;    /* nova-compute has, since it was forced down; Nova forgets it after a while */
bool left[HOSTS];               /* Nova has records of evacuations away from it, for which it destroys guests at its start */

byte home = 0;                  /* the host on which Nova has the instance */
bool in_error;
byte task;
byte stray = NOWHERE;           /* the host on which Nova has met a guest that it has not there */

byte stage[REQUESTS];
byte to[REQUESTS] = NOWHERE;
byte only[REQUESTS] = NOWHERE;  /* the destination that was asked for */

bool works[2];
byte todo[2];
byte where[2];                  /* the host that it is about; SEND: the destination asked for */
byte sent[2];                   /* the request whose answer is awaited */
byte unclear[2];                /* a request of ours, or of a former engine, may still be in the API */

byte after_report;              /* WRONG_YES: requests sent after the flagged host had reported */

#define ANY(p) (p(0) || p(1) || p(2) || p(3))
#define ANY2(p, x) (p(0, x) || p(1, x) || p(2, x) || p(3, x))
#define ANY_HOST(p) (p(0) || p(1) || p(2))

/* ---- What an engine sees ---- */

#define IS_UP(h) (reported[h] && !forced_down[h])
#define IS_DEAD(h) (flag[h] == YES || flag[h] >= CLAIM)
#define IS_OVER(h) (flag[h] == NO || flag[h] == RESTART)
#define IS_COMING(h) (IS_OVER(h) && !reported[h])
#define OTHER_UP(h) (h != home && IS_UP(h))
#define HAS_ROOM ANY_HOST(OTHER_UP)

#ifdef OLD_STOPPED_BY_CLOCK
#define IS_STOPPED(h) true
#else
#define IS_STOPPED(h) (record[h] == STOPPED)
#endif
#define IS_KEPT_OFF(h) (flag[h] == RESTART && IS_STOPPED(h))

#define IS_FREE(r) (stage[r] == FREE)
#define IS_IN_API(r) (stage[r] == IN_API)
#define IS_QUEUED(r, h) (stage[r] == QUEUED && to[r] == h)
#define HAS_QUEUED(h) ANY2(IS_QUEUED, h)
#define IS_CUT(r) (stage[r] == CUT)
#define IS_CUT_AT(r, h) (stage[r] == CUT && to[r] == h)
#define BEGAN_AT(r, h) ((stage[r] == RUNNING || stage[r] == SPAWNED) && to[r] == h)

/* A request that may go on, so that no other must be sent; what is queued at a host that comes back, apart. */
#ifdef OLD_LOST_BY_CLOCK
#define AT_CONDUCTOR(r) false
#else
#define AT_CONDUCTOR(r) (stage[r] == RECORDED || stage[r] == SCHEDULING)
#endif
#ifdef OLD_IDLE
#define HAS_BEGUN(r) (stage[r] == RUNNING)
#define ASK_AGAIN_AT(r, h) ((stage[r] == CUT || stage[r] == SPAWNED) && to[r] == h)
#else
#define HAS_BEGUN(r) (stage[r] == RUNNING || stage[r] == SPAWNED)
#define ASK_AGAIN_AT(r, h) (stage[r] == CUT && to[r] == h)
#endif
#define WAITS_THERE(r) (stage[r] == QUEUED && !IS_DEAD(to[r]) && !IS_COMING(to[r]))
#define GOES_ON(r) (AT_CONDUCTOR(r) || HAS_BEGUN(r) || WAITS_THERE(r) || (IS_CUT(r) && !(runs[to[r]] && IS_UP(to[r]))))
#define MAY_START(r) (stage[r] == QUEUED && IS_COMING(to[r]) && !IS_KEPT_OFF(to[r]))

#define NOT_FORCED_DOWN(h) (IS_DEAD(h) && !forced_down[h])

#ifdef OLD_NO_SECOND_PROOF
#define IS_PROVED_DEAD(h) true
#else
#define IS_PROVED_DEAD(h) (!reported[h])
#endif

/* Its instance would be evacuated, but for what a host that comes back may have queued. */
#define IS_WANTED(e) (flag[home] == CLAIM + e && forced_down[home] && IS_PROVED_DEAD(home) && stray == NOWHERE \
    && !unclear[e] && HAS_ROOM && !ANY_HOST(NOT_FORCED_DOWN) && !ANY(GOES_ON))

/* The instance is being moved, seen from h: what goes on at h itself does not meet what is queued there. */
#define MOVES(r, h) ((GOES_ON(r) || IS_CUT(r)) && !(IS_CUT(r) && to[r] == h) && !(stage[r] == QUEUED && to[r] == h))
#define IS_MOVED(e, h) (unclear[e] || ANY2(MOVES, h))
#define IS_BROKEN (!IS_DEAD(home) && (in_error || task != NONE))
/* Two hosts that may have been asked for the same instance start one after the other, one that is on first. */
#define STARTS_FIRST(h, g) (g != h && HAS_QUEUED(g) && IS_COMING(g) && !IS_KEPT_OFF(g))
#define ANOTHER_FIRST(h) (STARTS_FIRST(h, 0) || STARTS_FIRST(h, 1) || STARTS_FIRST(h, 2))
#define IS_READY(h, g) (g != h && HAS_QUEUED(g) && flag[g] == RESTART && machine[g] == ON)
#define GIVES_WAY(h) (machine[h] != ON && (IS_READY(h, 0) || IS_READY(h, 1) || IS_READY(h, 2)))
#define GOES_PAST(h) (IS_DEAD(home) && HAS_ROOM && !ANY2(IS_CUT_AT, h))     /* it is to go elsewhere than to h */
#define MAY_MEET(e, h) (HAS_QUEUED(h) && (IS_MOVED(e, h) || GOES_PAST(h) || IS_BROKEN))

#ifdef OLD_RIVALS
#define IS_CONTESTED(e) false
#else
#define IS_CONTESTED(e) works[1 - e]
#endif

/* ---- Properties ---- */

#if CHECK & 1
#define ONE_GUEST_AT_MOST assert(guest[0] + guest[1] + guest[2] <= 1)
#else
#define ONE_GUEST_AT_MOST skip
#endif
#if CHECK & 2
#define NOT_FROM_A_LIVING_HOST assert(!guest[home])
#else
#define NOT_FROM_A_LIVING_HOST skip
#endif
#if CHECK & 4
#define IT_RUNS_IN_THE_END assert(RUNS_WELL || NOTHING_CAN_TAKE_IT)
#else
#define IT_RUNS_IN_THE_END skip
#endif
#if CHECK & 8
#define ENOUGH_IS_ENOUGH assert(after_report <= 1)
#else
#define ENOUGH_IS_ENOUGH skip
#endif

#define IS_WELL(h) (machine[h] == GONE || (machine[h] == ON && flag[h] == ABSENT && IS_UP(h)))
#define RUNS_WELL (guest[home] && guest[0] + guest[1] + guest[2] == 1 && !in_error && task == NONE \
    && IS_WELL(0) && IS_WELL(1) && IS_WELL(2))
#define IS_NO_HELP(h) (h == home || machine[h] == GONE)
#define NOTHING_CAN_TAKE_IT (IS_DEAD(home) && IS_NO_HELP(0) && IS_NO_HELP(1) && IS_NO_HELP(2))

/* ---- Nova ---- */

inline over(r) { stage[r] = FREE; to[r] = NOWHERE; only[r] = NOWHERE }

inline forget_cut(h)
{
    for (i : 0 .. REQUESTS - 1) {
        if
        :: IS_CUT_AT(i, h) -> over(i)
        :: else
        fi
    }
    i = 0
}

/* nova-compute's process ends: what it was doing, nobody goes on with. */
inline process_ends(h)
{
    runs[h] = false;
    for (i : 0 .. REQUESTS - 1) {
        if
        :: BEGAN_AT(i, h) -> stage[i] = CUT
        :: else
        fi
    }
    i = 0
}

#define API(r) \
    :: d_step { IS_IN_API(r) -> \
        if \
        :: forced_down[home] || !reported[home] -> \
            NOT_FROM_A_LIVING_HOST; stage[r] = RECORDED; task = REBUILDING; left[home] = true \
        :: else -> over(r) \
        fi } \
    :: d_step { IS_IN_API(r) && faults > 0 -> faults--; over(r) }

#define IS_CHOICE(r, h) (h != home && IS_UP(h) && (only[r] == NOWHERE || only[r] == h))
#define CHOOSE(r, h) :: d_step { stage[r] == SCHEDULING && to[r] == NOWHERE && IS_CHOICE(r, h) -> to[r] = h }
#define CONDUCTOR(r) \
    :: d_step { stage[r] == RECORDED -> stage[r] = SCHEDULING } \
    CHOOSE(r, 0) CHOOSE(r, 1) CHOOSE(r, 2) \
    :: d_step { stage[r] == SCHEDULING && to[r] == NOWHERE \
        && !IS_CHOICE(r, 0) && !IS_CHOICE(r, 1) && !IS_CHOICE(r, 2) -> over(r); in_error = true; task = NONE } \
    :: d_step { stage[r] == SCHEDULING && to[r] != NOWHERE -> stage[r] = QUEUED; only[r] = NOWHERE } \
    :: d_step { stage[r] == SCHEDULING && faults > 0 -> faults--; over(r) }

proctype control_plane()
{
    byte i;
    do
    API(0) API(1) API(2) API(3)
    CONDUCTOR(0) CONDUCTOR(1) CONDUCTOR(2) CONDUCTOR(3)
    :: d_step { faults > 0 && (stage[0] == RECORDED || stage[0] == QUEUED || stage[1] == RECORDED || stage[1] == QUEUED
        || stage[2] == RECORDED || stage[2] == QUEUED || stage[3] == RECORDED || stage[3] == QUEUED) ->
        /* The message bus, with all that is on it. */
        faults--;
        for (i : 0 .. REQUESTS - 1) {
            if
            :: stage[i] == RECORDED || stage[i] == QUEUED -> over(i)
            :: else
            fi
        }
        i = 0 }
    od
}

#define COMPUTE(r) \
    :: d_step { runs[h] && IS_QUEUED(r, h) && !ANY2(BEGAN_AT, h) -> \
        forget_cut(h); \
        if \
        :: guest[h] -> \
            over(r); in_error = true; task = NONE; \
            if \
            :: home != h -> stray = h \
            :: else \
            fi \
        :: !guest[h] && task == REBUILDING -> stage[r] = RUNNING; task = SPAWNING \
        :: else -> over(r); in_error = true; task = REBUILDING \
        fi } \
    :: d_step { runs[h] && stage[r] == RUNNING && to[r] == h -> \
        guest[h] = true; \
        ONE_GUEST_AT_MOST; \
        if \
        :: task == SPAWNING -> stage[r] = SPAWNED; in_error = false; task = NONE \
        :: else -> over(r); in_error = true; stray = h \
        fi } \
    :: d_step { runs[h] && stage[r] == SPAWNED && to[r] == h -> over(r); home = h } \
    :: d_step { runs[h] && stage[r] == RUNNING && to[r] == h && faults > 0 -> \
        faults--; over(r); in_error = true; task = NONE }

proctype compute(byte h)
{
    byte i;
    do
    COMPUTE(0) COMPUTE(1) COMPUTE(2) COMPUTE(3)
    :: d_step { runs[h] && !reported[h] && !HAS_QUEUED(h) -> reported[h] = true }
    :: d_step { !runs[h] && reported[h] -> reported[h] = false }
    od
}

/* ---- Pacemaker, and the machine ---- */

#ifdef WRONG_YES
#define IS_CUT_OFF_WELL(h) (h != 0)
#else
#define IS_CUT_OFF_WELL(h) true
#endif

#define MAY_BE_STARTED(h) (machine[h] == ON && record[h] == STOPPED && (flag[h] == ABSENT || flag[h] == NO))
#ifdef LATE_RECORD
bool gate_passed[HOSTS];
#endif

proctype host(byte h)
{
    byte i;
    do
    :: d_step { machine[h] == ON && faults > 0 -> faults--; machine[h] = LOST }
    :: atomic { machine[h] == LOST && IS_CUT_OFF_WELL(h) ->
        d_step {
            process_ends(h);
            for (i : 0 .. REQUESTS - 1) {
                if
                :: IS_CUT_AT(i, h) -> over(i)
                :: else
                fi
            }
            i = 0;
            guest[h] = false;
            record[h] = STOPPED;
#ifdef LATE_RECORD
            gate_passed[h] = false;
#endif
            flag[h] = YES;
            /* Of a host that is fenced anew, only reports from now on count. */
            reported[h] = reported[h] && !forced_down[h];
            if
            :: stray == h -> stray = NOWHERE
            :: else
            fi
        }
        if
        :: machine[h] = OFF
        :: machine[h] = GONE
        fi }
#ifdef WRONG_YES
    :: d_step { machine[h] == LOST && h == 0 && flag[h] == ABSENT -> flag[h] = YES }
#endif
    :: d_step { machine[h] == OFF -> machine[h] = ON }
#ifdef LATE_RECORD
    :: d_step { MAY_BE_STARTED(h) && !gate_passed[h] -> gate_passed[h] = true }
    :: d_step { machine[h] == ON && gate_passed[h] -> gate_passed[h] = false; record[h] = STARTING }
#else
    :: d_step { MAY_BE_STARTED(h) -> record[h] = STARTING }
#endif
    :: d_step { record[h] == STARTING && !runs[h] ->
        runs[h] = true;
        if
        :: left[h] -> left[h] = false; guest[h] = false
        :: else
        fi }
    :: d_step { machine[h] == ON && record[h] == STARTING && runs[h] -> record[h] = STARTED }
    :: d_step { machine[h] == ON && record[h] == STARTED && flag[h] != ABSENT && flag[h] != NO ->
        process_ends(h); record[h] = STOPPED }
    :: d_step { machine[h] == ON && runs[h] && faults > 0 ->
        faults--;
        process_ends(h);
        if
        :: record[h] == STARTED -> record[h] = STOPPED
        :: else
        fi }
    od
}

/* ---- The engine ---- */

/* Which hosts are its own an engine settles first: it knows then whether a former one may have asked for something. */
#define IS_TO_CLAIM(h) (flag[h] == YES || (flag[h] == CLAIM + 1 - e && !IS_CONTESTED(e)))
#ifdef CLAIMS_LATER
#define HAS_CLAIMED true
#else
#define HAS_CLAIMED !ANY_HOST(IS_TO_CLAIM)
#endif
#define DECIDE(guard, what, h) \
    :: d_step { works[e] && todo[e] == IDLE && HAS_CLAIMED && (guard) -> todo[e] = what; where[e] = h }
#define DO(what) works[e] && todo[e] == what

#define CLAIMS(h) \
    :: d_step { works[e] && todo[e] == IDLE && flag[h] == YES -> \
        unclear[e] = (forced_down[h] && !unclear[e] -> FORMER_ENGINES : unclear[e]); flag[h] = CLAIM + e } \
    :: d_step { works[e] && todo[e] == IDLE && flag[h] == CLAIM + 1 - e && !IS_CONTESTED(e) -> \
        unclear[e] = (!unclear[e] -> FORMER_ENGINES : unclear[e]); flag[h] = CLAIM + e }

#define MAY_CLOSE(h) (flag[h] == CLAIM + e && forced_down[h] && home != h && !IS_CONTESTED(e) && !MAY_MEET(e, h))
#define MAY_LET_START(h) (flag[h] == RESTART && IS_STOPPED(h) && !IS_CONTESTED(e) && !MAY_MEET(e, h) \
    && !(HAS_QUEUED(h) && (ANOTHER_FIRST(h) || GIVES_WAY(h))))

#define DECIDES(h) \
    DECIDE(flag[h] == CLAIM + e && !forced_down[h], TAKE_OUT, h) \
    DECIDE(MAY_CLOSE(h) && !(HAS_QUEUED(h) && ANOTHER_FIRST(h)), CLOSE, h) \
    DECIDE(MAY_CLOSE(h) && HAS_QUEUED(h) && ANOTHER_FIRST(h), CLOSE_HELD, h) \
    DECIDE(flag[h] == NO && IS_COMING(h) && HAS_QUEUED(h) && (IS_WANTED(e) || GIVES_WAY(h)), HOLD_BACK, h) \
    DECIDE(MAY_LET_START(h), LET_START, h) \
    DECIDE(flag[h] == NO && forced_down[h] && reported[h] && !left[h] && !IS_BROKEN, PUT_BACK, h) \
    :: d_step { works[e] && todo[e] == IDLE && flag[h] == NO && IS_UP(h) -> flag[h] = ABSENT }

#ifdef OLD_IDLE
#define HEALS false
#else
#define HEALS (IS_BROKEN && guest[home] && !unclear[e] && !IS_MOVED(e, NOWHERE))
#endif

#ifdef OLD_TAKEOVER
#define IS_CLEAR (unclear[e] == FORMER_ENGINES || !ANY(IS_IN_API))
#else
/* Another engine that works may have decided to send what it has not sent yet. */
#define IS_CLEAR (!ANY(IS_IN_API) && !IS_CONTESTED(e))
#endif

#define CHANGE_FLAG(old, new) \
    if \
    :: flag[where[e]] == old -> flag[where[e]] = new \
    :: else \
    fi; \
    todo[e] = IDLE; where[e] = 0

#define FORMER(h) flag[h] = (flag[h] == CLAIM + 1 - e -> CLAIM + e : flag[h])

proctype engine(byte e)
{
    do
    CLAIMS(0) CLAIMS(1) CLAIMS(2)
    DECIDES(0) DECIDES(1) DECIDES(2)
    DECIDE(IS_WANTED(e) && !ANY(MAY_START) && ANY2(ASK_AGAIN_AT, 0), SEND, 0)
    DECIDE(IS_WANTED(e) && !ANY(MAY_START) && ANY2(ASK_AGAIN_AT, 1), SEND, 1)
    DECIDE(IS_WANTED(e) && !ANY(MAY_START) && ANY2(ASK_AGAIN_AT, 2), SEND, 2)
    DECIDE(IS_WANTED(e) && !ANY(MAY_START) && !ANY2(ASK_AGAIN_AT, 0) && !ANY2(ASK_AGAIN_AT, 1)
        && !ANY2(ASK_AGAIN_AT, 2), SEND, NOWHERE)
    DECIDE(HEALS, HEAL, home)
    :: d_step { works[e] && unclear[e] && IS_CLEAR -> unclear[e] = 0 }

    :: d_step { DO(TAKE_OUT) ->
        forced_down[where[e]] = true; reported[where[e]] = false; todo[e] = IDLE; where[e] = 0 }
    :: d_step { DO(CLOSE) -> CHANGE_FLAG(CLAIM + e, NO) }
    :: d_step { DO(CLOSE_HELD) -> CHANGE_FLAG(CLAIM + e, RESTART) }
    :: d_step { DO(HOLD_BACK) -> CHANGE_FLAG(NO, RESTART) }
    :: d_step { DO(LET_START) -> CHANGE_FLAG(RESTART, NO) }
    :: d_step { DO(PUT_BACK) ->
        if
        :: flag[where[e]] == NO -> forced_down[where[e]] = false
        :: else
        fi;
        todo[e] = IDLE; where[e] = 0 }
    :: d_step { DO(HEAL) -> in_error = false; task = NONE; todo[e] = IDLE; where[e] = 0 }
    :: d_step { DO(SEND) && (CHECK >= 16 || ANY(IS_FREE)) ->
        sent[e] = 0;
        do
        :: sent[e] < REQUESTS && stage[sent[e]] != FREE -> sent[e]++
        :: else -> break
        od;
        assert(sent[e] < REQUESTS);     /* 16: the model has room for all requests that there are at once */
#ifdef WRONG_YES
        after_report = after_report + reported[home];
        ENOUGH_IS_ENOUGH;
#endif
        stage[sent[e]] = IN_API;
        only[sent[e]] = where[e];
        todo[e] = AWAIT_ANSWER; where[e] = 0 }
    :: d_step { DO(AWAIT_ANSWER) && !IS_IN_API(sent[e]) -> todo[e] = IDLE; sent[e] = 0 }
    :: d_step { DO(AWAIT_ANSWER) && IS_IN_API(sent[e]) -> unclear[e] = OURS; todo[e] = IDLE; sent[e] = 0 }
#ifndef TWO_ENGINES
    :: d_step { works[e] && faults > 0 ->
        faults--;
        works[e] = false; todo[e] = IDLE; where[e] = 0; sent[e] = 0; unclear[e] = 0;
        works[1 - e] = true;
        /* A claim of its node's that the new engine has not made itself is a former engine's. */
        FORMER(0); FORMER(1); FORMER(2) }
#endif
    od
}

/* ---- Operators; and the end ---- */

#ifdef DELETES_RESTART
#define MAY_BE_DELETED(h) IS_OVER(h)
#else
#define MAY_BE_DELETED(h) (flag[h] == NO)
#endif

#define OPERATES(h) \
    :: d_step { MAY_BE_DELETED(h) && faults > 0 -> faults--; flag[h] = ABSENT } \
    :: d_step { flag[h] == ABSENT && forced_down[h] && machine[h] == ON -> flag[h] = NO } \
    :: d_step { flag[h] == ABSENT && forced_down[h] && machine[h] == GONE -> flag[h] = YES } \
    :: d_step { stray == h && machine[h] == ON && flag[h] == ABSENT -> machine[h] = LOST }

proctype operator()
{
    do
    OPERATES(0) OPERATES(1) OPERATES(2)
    :: d_step { faults > 0 -> faults = 0 }
    :: timeout -> IT_RUNS_IN_THE_END; break
    od
}

init
{
    atomic {
        guest[0] = true;
        machine[0] = LOST;
        works[0] = true;
#ifdef TWO_ENGINES
        works[1] = true;
#endif
        run control_plane();
        run compute(0); run compute(1); run compute(2);
        run host(0); run host(1); run host(2);
        run engine(0); run engine(1);
        run operator()
    }
}
